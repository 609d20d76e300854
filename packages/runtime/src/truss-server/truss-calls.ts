// `/sync/*`: the routes of the Truss server, on every replica, so that what spoke with a Truss container speaks with it.
// Knows paths, methods and their statuses; what a model answers is made elsewhere.
// Source: truss 0.18.35, templates/server/truss_server.py; test-data/truss/server.json is its record.

import { forwardedHeaders } from "@corral/contract";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CodeMethod } from "../code-worker/protocol.ts";
import type { RunningCode } from "../replica-code.ts";
import type { AnswerRequest } from "../routes.ts";
import { isHealthy } from "./is-healthy.ts";
import { exposition, expositionType } from "./exposition.ts";

export const trussPrefix = "/sync";

export interface TrussCallsOptions {
  readonly hasCode: boolean;
  /** Of a server of the author's, which answers every path itself. */
  readonly isServer: boolean;
  /** Null while it is being loaded, or where there is none. */
  readonly code: () => RunningCode | null;
  /** The replica has loaded what it has. */
  readonly isLoaded: () => boolean;
  /** Answered by the code. */
  readonly byCode: (method: CodeMethod) => AnswerRequest;
  /** Answered by the model in words of its own; null: by none. */
  readonly byModel: (method: CodeMethod) => AnswerRequest | null;
  /** Of the code's processes. */
  readonly codeMemoryBytes: () => number;
}

/** Paths that answer a `POST`, and what answers them. */
const posts: Readonly<Record<string, CodeMethod>> = {
  "/v1/models/model:predict": "predict",
  "/v1/models/model:predict_binary": "predict",
  "/invocations": "predict",
  "/v1/chat/completions": "chat_completions",
  "/v1/completions": "completions",
  "/v1/embeddings": "embeddings",
  "/v1/messages": "messages",
  "/v1/responses": "responses",
};

interface Plain {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers every path below the prefix, and every failure itself. */
export function trussCalls(options: TrussCallsOptions): AnswerRequest {
  const { hasCode, code, isLoaded } = options;
  const gets: Readonly<Record<string, () => Plain | Promise<Plain>>> = {
    "/": () => ok(true),
    "/ping": () => ok({}),
    "/v1/models/model": async () =>
      isLoaded() && (!hasCode || (await isHealthy(code()))) ? ok({}) : notReady,
    "/v1/models/model/loaded": () => (isLoaded() ? ok({}) : notReady),
    "/v1/models/model/schema": () => schemaOf(code()),
  };

  function answerMethod(method: CodeMethod): AnswerRequest {
    const model = options.byModel(method);
    if (!hasCode) return model ?? refuseMethod(method);
    const isTheirs = method === "predict" || code()?.service.worker.loaded.methods.includes(method) === true;
    return isTheirs ? options.byCode(method) : (model ?? options.byCode(method));
  }

  return async (request, response) => {
    // What the code reads of its request has no prefix.
    request.url = (request.url ?? trussPrefix).slice(trussPrefix.length);
    if (options.isServer) return await options.byCode("http")(request, response);
    const path = asNamed(request.url.split("?", 1)[0] ?? "");
    const isGet = request.method === "GET";
    const get = Object.hasOwn(gets, path) ? gets[path] : undefined;
    const post = Object.hasOwn(posts, path) ? posts[path] : undefined;
    if (get !== undefined && isGet) return send(request, response, await get());
    if (post !== undefined && request.method === "POST") return await answerMethod(post)(request, response);
    if (isMetrics(path) && isGet) return sendMetrics(request, response, options.codeMemoryBytes());
    if (get === undefined && post === undefined && !isMetrics(path))
      return send(request, response, { status: 404, body: { detail: "Not Found" } });
    send(request, response, {
      status: 405,
      body: { detail: "Method Not Allowed" },
      headers: { allow: post === undefined ? "GET" : "POST" },
    });
  };
}

/** From here on the call is one of OpenAI's family, in its errors and its run's record as well. */
export function asOpenAi(answer: AnswerRequest): AnswerRequest {
  return (request, response) => {
    request.headers[forwardedHeaders.dialect] = "openai";
    return answer(request, response);
  };
}

/** The server has one model, and takes it by any name in these paths. */
function asNamed(path: string): string {
  return path.replace(
    /^\/v1\/models\/[^/]+?(\/loaded|\/schema|:predict|:predict_binary)?$/,
    "/v1/models/model$1",
  );
}

function isMetrics(path: string): boolean {
  return path === "/metrics" || path === "/metrics/";
}

function ok(body: unknown): Plain {
  return { status: 200, body };
}

const notReady = refusal(503, 600, "Model with name model is not ready.");

function refusal(status: number, code: number, error: string): Plain {
  return {
    status,
    body: { error },
    headers: { "x-baseten-error-source": "04", "x-baseten-error-code": String(code) },
  };
}

function schemaOf(code: RunningCode | null): Plain {
  const schemas = code?.service.worker.loaded.schemas ?? null;
  if (schemas === null) return refusal(404, 600, "No schema found");
  const { input, output, supports_streaming } = schemas;
  return ok({ input_schema: input, output_schema: output, supports_streaming });
}

function refuseMethod(method: CodeMethod): AnswerRequest {
  const answer = refusal(404, 700, `\`${method}\` must only be called if model has it.`);
  return async (request, response) => send(request, response, answer);
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, headers }: Plain): void {
  request.resume();
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    ...headers,
    "content-length": bytes.length,
    "content-type": "application/json",
  });
  response.end(bytes);
}

function sendMetrics(request: IncomingMessage, response: ServerResponse, codeBytes: number): void {
  request.resume();
  const bytes = Buffer.from(exposition(codeBytes));
  response.writeHead(200, { "content-length": bytes.length, "content-type": expositionType });
  response.end(bytes);
}
