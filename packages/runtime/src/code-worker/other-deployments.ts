// What author code asks of other deployments: carried to the platform, which finds out who pays, and back. Knows neither
// a key nor where the other deployment runs.

import {
  callsPath,
  errorTable,
  forwardedHeaders,
  ServingError,
  type ErrorCode,
  type ReplicaConfig,
} from "@corral/contract";
import { request as sendRequest, type IncomingMessage } from "node:http";
import { createEventReader } from "./event-reader.ts";
import type { LlmMethod } from "./protocol.ts";

export interface DeploymentCall {
  readonly method: LlmMethod;
  readonly deployment: string;
  /** JSON. */
  readonly body: Buffer;
  /** The run in whose course it is; null: none, and the project itself calls. */
  readonly parent: { readonly runId: string; readonly depth: number } | null;
  readonly signal: AbortSignal;
  /** Of a stream, at its reader's pace. */
  readonly piece: (value: unknown) => Promise<void>;
}

/** Gives the answer's JSON value. Fails as the calls of our API do. */
export type CallDeployment = (call: DeploymentCall) => Promise<unknown>;

export function createCallDeployment(platform: ReplicaConfig["platform"] | null): CallDeployment {
  return async (call) => {
    if (platform === null || platform === undefined)
      throw new ServingError(
        "unsupported_parameter",
        "This replica has no way to other deployments. Leave the deployment out.",
      );
    const startedAt = performance.now();
    const response = await open(platform, call);
    if (response.statusCode !== 200) throw refusalOf(await textOf(response), response.statusCode ?? 0);
    if (call.method === "llm.stream") return await follow(response, call, startedAt);
    return JSON.parse(await textOf(response)) as unknown;
  };
}

function open(
  { address, token }: NonNullable<ReplicaConfig["platform"]>,
  { method, deployment, body, parent, signal }: DeploymentCall,
): Promise<IncomingMessage> {
  const bytes = method === "llm.stream" ? asStream(body) : body;
  return new Promise((resolve, reject) => {
    const sent = sendRequest({
      ...placeOf(address),
      method: "POST",
      path: `${callsPath}/${method.slice("llm.".length)}?deployment=${encodeURIComponent(deployment)}`,
      agent: false,
      signal,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "content-length": bytes.length,
        ...(method === "llm.stream" ? { accept: "text/event-stream" } : {}),
        ...(parent === null
          ? {}
          : { [forwardedHeaders.runId]: parent.runId, [forwardedHeaders.depth]: String(parent.depth) }),
      },
    });
    sent.once("response", resolve);
    sent.once("error", (cause) =>
      reject(
        signal.aborted
          ? new ServingError("aborted", "The call of another deployment was given up.", { cause })
          : new ServingError("deployment_not_ready", "The platform does not answer the replica.", { cause }),
      ),
    );
    sent.end(bytes);
  });
}

function placeOf(
  address: string,
): { readonly socketPath: string } | { readonly host: string; readonly port: string } {
  if (address.startsWith("unix:")) return { socketPath: address.slice("unix:".length) };
  const { hostname, port } = new URL(address);
  return { host: hostname, port };
}

/** Fails with `invalid_json` or `unsupported_parameter`. */
function asStream(body: Buffer): Buffer {
  const value = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
  if (value["stream"] !== undefined)
    throw new ServingError("unsupported_parameter", "llm.stream always streams; leave `stream` out.");
  // What was written stays as it was written.
  const text = body.toString("utf8").trimStart();
  return Buffer.from(text === "{}" ? '{"stream":true}' : `{"stream":true,${text.slice(1)}`);
}

/** A model sends events; code sends what it likes, which is handed on as text. */
async function follow(
  response: IncomingMessage,
  { piece, signal }: DeploymentCall,
  startedAt: number,
): Promise<unknown> {
  const type = response.headers["content-type"] ?? "";
  const isEvents = type.startsWith("text/event-stream");
  if (!isEvents && type.startsWith("application/json")) {
    const answer = JSON.parse(await textOf(response)) as unknown;
    await piece({ text: "", done: answer });
    return answer;
  }
  let answer: unknown;
  const reader = createEventReader();
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (!isEvents) {
        const text = decoder.decode(chunk, { stream: true });
        if (text !== "") await piece({ text });
        continue;
      }
      for (const { name, data } of reader.push(chunk)) {
        if (name === "token") await piece(JSON.parse(data));
        else if (name === "done") answer = JSON.parse(data) as unknown;
        else if (name === "error") throw errorOf((JSON.parse(data) as { error: WireError }).error, 502);
      }
    }
  } catch (error) {
    if (error instanceof ServingError) throw error;
    const code = signal.aborted ? "aborted" : "replica_lost";
    throw new ServingError(code, "The other deployment's answer broke off.", { cause: error });
  } finally {
    response.destroy();
  }
  if (isEvents && answer === undefined)
    throw new ServingError("replica_lost", "The other deployment's answer broke off.");
  answer ??= {
    run_id: response.headers[forwardedHeaders.runId] ?? null,
    run_time_ms: Math.round(performance.now() - startedAt),
    result: null,
    usage: { prompt_tokens: 0, cached_tokens: 0, generated_tokens: 0 },
    warnings: [],
  };
  await piece({ text: "", done: answer });
  return answer;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (cause) {
    throw new ServingError("replica_lost", "The other deployment's answer broke off.", { cause });
  }
  return Buffer.concat(chunks).toString("utf8");
}

interface WireError {
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly {
    readonly pointer: string;
    readonly code: ErrorCode;
    readonly message: string;
  }[];
}

function refusalOf(text: string, status: number): ServingError {
  try {
    return errorOf(JSON.parse(text) as WireError, status);
  } catch {
    return errorOf({}, status);
  }
}

function errorOf({ code = "", detail, errors = [] }: WireError, status: number): ServingError {
  const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "code_refused";
  return new ServingError(known, detail ?? `The other deployment answered with status ${status}.`, {
    errors,
  });
}
