// What author code asks of its replica's model, answered by the engine that answers callers: the same batches, limits of
// the caller's key, and usage of the caller's run.

import { asServingError, ServingError } from "@corral/contract";
import { randomUUID } from "node:crypto";
import { stackOf } from "../answer-call.ts";
import type { ForwardedCall } from "../call-headers.ts";
import type { Log } from "../log.ts";
import type { PredictService } from "../predict.ts";
import { withWrittenFloats } from "../written-floats.ts";
import type { CodeRun } from "./code-run.ts";
import { carryOutLlm, type LlmRequest } from "./llm-methods.ts";
import type { CallDeployment, DeploymentCall } from "./other-deployments.ts";
import type { LlmCallMessage, LlmMethod, ReplicaMessage } from "./protocol.ts";
import type { LlmPort, OpenLlm } from "./worker-life.ts";

export interface LlmOptions {
  /** Null: the replica has no model, or not yet. */
  readonly service: () => PredictService | null;
  /** Runs that the code carries out, by their ids. */
  readonly runs: ReadonlyMap<string, CodeRun>;
  /** Of prefixes that are computed outside of any run. */
  readonly namespace: string;
  readonly callDeployment: CallDeployment;
  readonly log: Log;
}

/** For a stream, which its reader may stop for a while. */
interface Active {
  readonly abort: AbortController;
  resumed: PromiseWithResolvers<void> | null;
}

export function createLlm(options: LlmOptions): OpenLlm {
  return ({ send }) => openPort(options, send);
}

function openPort(
  { service, runs, namespace, callDeployment, log }: LlmOptions,
  send: (message: ReplicaMessage, body?: Uint8Array) => void,
): LlmPort {
  const active = new Map<number, Active>();

  async function carryOut(
    message: LlmCallMessage,
    body: Buffer,
    run: CodeRun | null,
    call: Active,
  ): Promise<void> {
    const { id, method, deployment } = message;
    const piece = async (value: unknown) => {
      send({ kind: "chunk", id }, Buffer.from(JSON.stringify(value)));
      if (call.resumed !== null) await Promise.race([call.resumed.promise, aborted(call.abort.signal)]);
    };
    const isStream = method === "llm.stream";
    const head = { kind: "answer", id, status: 200, headers: json, stream: isStream } as const;
    if (isStream) send(head);
    const answer =
      deployment === undefined
        ? await ofOwnModel(method, body, run, call, piece)
        : await ofOtherDeployment({ method, deployment, body }, run, call, piece);
    if (isStream) send({ kind: "end", id });
    else send(head, Buffer.from(JSON.stringify(answer)));
  }

  async function ofOwnModel(
    method: LlmMethod,
    body: Buffer,
    run: CodeRun | null,
    call: Active,
    piece: LlmRequest["piece"],
  ): Promise<unknown> {
    const request: LlmRequest = {
      method,
      body: parse(body),
      forwarded: run?.forwarded ?? outsideRuns(namespace),
      receivedAtMs: run?.receivedAtMs ?? null,
      signal: call.abort.signal,
      track: (handle) => run?.track(handle) ?? (() => {}),
      reserve: (tokenCount) => run?.budget.reserve(tokenCount) ?? Promise.resolve(),
      piece,
    };
    return await carryOutLlm(requireModel(service()), request);
  }

  /** A run of its own, which ends with this one. */
  async function ofOtherDeployment(
    request: Pick<DeploymentCall, "method" | "deployment" | "body">,
    run: CodeRun | null,
    call: Active,
    piece: LlmRequest["piece"],
  ): Promise<unknown> {
    const untrack = run?.track({ usage: nothing, abort: () => call.abort.abort() }) ?? (() => {});
    try {
      const parent = run === null ? null : { runId: run.forwarded.runId, depth: run.forwarded.depth };
      return await callDeployment({ ...request, parent, signal: call.abort.signal, piece });
    } finally {
      untrack();
    }
  }

  return {
    call(message, body, during, isLoading) {
      const { id } = message;
      const call: Active = { abort: new AbortController(), resumed: null };
      active.set(id, call);
      // The ids of its calls come from the worker; a run that has ended pays for nothing.
      const run = during === null ? null : (runs.get(during.runId) ?? null);
      const isAdmitted =
        run !== null ||
        (message.during === null && isLoading) ||
        // A health check is no run, and the project's own.
        during?.method === "is_healthy";
      const work = isAdmitted
        ? carryOut(message, body, run, call)
        : Promise.reject(message.during === null ? outsideCalls() : ended());
      void work
        .catch((error: unknown) => {
          const known = asServingError(error);
          if (known.code === "internal") log.error("a call of the code failed", { stack: stackOf(error) });
          send({ kind: "error", id, ...refusal(known) });
        })
        .finally(() => active.delete(id));
    },
    control(kind, id) {
      const call = active.get(id);
      if (call === undefined) return;
      if (kind === "cancel") call.abort.abort();
      else if (kind === "pause") call.resumed ??= Promise.withResolvers<void>();
      else {
        call.resumed?.resolve();
        call.resumed = null;
      }
    },
    close() {
      for (const { abort } of active.values()) abort.abort();
    },
  };
}

/** What a run of another deployment used is its own. */
const nothing = { promptTokenCount: 0, cachedTokenCount: 0, generatedTokenCount: 0 };

/** In characters: names of fields are the code's, and a message has a limit. */
const longestMessage = 8_000;
const longestField = 500;
const json: [string, string][] = [["content-type", "application/json"]];

function refusal(error: ServingError) {
  const errors = error.errors.slice(0, 100).map(({ pointer, code, message }) => ({
    pointer: pointer.slice(0, longestField),
    code,
    detail: message.slice(0, longestField),
  }));
  return {
    reason: "refused" as const,
    message: error.message.slice(0, longestMessage),
    code: error.code,
    ...(errors.length === 0 ? {} : { errors }),
  };
}

function parse(body: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new ServingError("invalid_json", "The body of an llm call is no JSON.", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ServingError("invalid_json", "The body of an llm call must be an object.");
  return withWrittenFloats(body, value as Readonly<Record<string, unknown>>);
}

/** Of what code does while it is loaded: nobody's key pays for it. */
function outsideRuns(projectId: string): ForwardedCall {
  return {
    runId: randomUUID(),
    dialect: "corral",
    projectId,
    keyId: null,
    priority: 0,
    deadlineAtMs: null,
    loadMs: 0,
    queuedMs: null,
    keepsOutput: false,
    modelId: null,
    deploymentId: null,
    tokenCap: null,
    weight: 1,
    hasBudget: false,
    acceptsEventStream: false,
    isBare: false,
    depth: 0,
    isStored: true,
    storesIfAsked: false,
    isFollowed: false,
    attempt: 0,
    keepsAnswer: false,
    outlivesCaller: false,
    arrivedAtMs: null,
  };
}

function requireModel(service: PredictService | null): PredictService {
  if (service !== null) return service;
  throw new ServingError("route_not_found", "The replica has code and no model of its own: there is no llm.");
}

/** What it computes would cost nobody: no key's limits would hold, and no run would have its usage. */
function outsideCalls(): ServingError {
  return new ServingError(
    "aborted",
    "llm was called outside of any call of the model. After load, call it in predict and wait for it there.",
  );
}

function ended(): ServingError {
  return new ServingError("aborted", "The run for which the code calls the model has ended.");
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
