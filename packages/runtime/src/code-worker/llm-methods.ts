// The `llm` methods of author code, each a body in the words of our own API → its answer. Knows no stream and no worker.

import { asServingError, parameterError, fieldsError, ServingError } from "@corral/contract";
import { randomUUID } from "node:crypto";
import { milliseconds } from "../answer-call.ts";
import type { ForwardedCall } from "../call-headers.ts";
import { BodyReader } from "../dialects/body-reader.ts";
import { readEmbeddings } from "../evaluation/read-embeddings.ts";
import { submitTexts, tokensOf } from "../evaluation/submit-texts.ts";
import { finishedRun } from "../finished-run.ts";
import type { PredictService } from "../predict.ts";
import { prepareInTurns, type PreparedCall } from "../prepare-call.ts";
import { prepareOffLoop } from "../prepare-off-loop.ts";
import { detokenize } from "../prompt-calls/detokenize.ts";
import { renderPrompt } from "../prompt-calls/render.ts";
import { tokenize } from "../prompt-calls/tokenize.ts";
import { usageOnWire, type RunHandle } from "../run-ledger.ts";
import { dialectContext, mostTokensOf, submitPrompts } from "../submit-prompts.ts";
import type { LlmMethod } from "./protocol.ts";

export interface LlmRequest {
  readonly method: LlmMethod;
  readonly body: Readonly<Record<string, unknown>>;
  /** Who pays, and how urgent it is. */
  readonly forwarded: ForwardedCall;
  /** When the caller's call came; null: there is none. */
  readonly receivedAtMs: number | null;
  readonly signal: AbortSignal;
  /** Something in the engine works for the caller's run; gives what is to be called at its end. */
  track(handle: RunHandle): () => void;
  /** Takes so many tokens of the budget of the run's key; what is left is given back when the run ends. */
  readonly reserve: (tokenCount: number) => Promise<void>;
  /** Of a stream, at its reader's pace. */
  readonly piece: (value: unknown) => Promise<void>;
}

/** Gives the answer's JSON value. Fails as the calls of our API do. */
export async function carryOutLlm(service: PredictService, request: LlmRequest): Promise<unknown> {
  const reader = () => new BodyReader(request.body);
  switch (request.method) {
    case "llm.generate":
      return await generate(service, request, false);
    case "llm.stream":
      return await generate(service, request, true);
    case "llm.embed":
      return await embed(service, request);
    case "llm.tokenize":
      return await tokenize(reader(), service.model);
    case "llm.detokenize":
      return await detokenize(reader(), service.model);
    case "llm.predict":
      throw new ServingError(
        "unsupported_parameter",
        "llm.predict calls another deployment, and none is named. Name one, or call llm.generate.",
      );
    case "llm.render":
      return await renderPrompt(reader(), service.model, service);
  }
}

async function generate(service: PredictService, request: LlmRequest, streams: boolean): Promise<unknown> {
  const { forwarded, signal } = request;
  if (request.body["stream"] !== undefined) throw streamGiven(streams);
  const receivedAtMs = service.clock.now();
  const id = randomUUID();
  const context = dialectContext(
    service,
    { ...forwarded, runId: id },
    { query: new URLSearchParams(), receivedAtMs },
  );
  const body = { ...request.body, stream: streams };
  const prepared = await prepareOffLoop(service.model, service.renderer, (current) =>
    prepareInTurns(current, "corral", body, context),
  );
  const engine = await service.engines.engineFor(prepared.prompts[0].generation);
  await request.reserve(mostTokensOf(prepared));
  signal.throwIfAborted();
  const { handle, release } = submitPrompts(service, engine, { id, forwarded, receivedAtMs }, prepared);
  const untrack = request.track(handle);
  const abort = () => handle.abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const followed = handle.follow(async (prompt, event) => {
      if (!streams || event.kind !== "text") return;
      const piece = pieceOf(prepared, prompt, event);
      if (piece !== null) await request.piece(piece);
    });
    followed.catch(() => undefined);
    const result = await handle.result;
    await followed;
    if (result.error !== null) throw result.error;
    const answer = prepared.call.answer(finishedRun(service.model, prepared, result)).body;
    if (streams) await request.piece({ text: "", done: answer });
    return answer;
  } catch (error) {
    throw asServingError(error);
  } finally {
    signal.removeEventListener("abort", abort);
    untrack();
    release();
  }
}

type TextEvent = Parameters<PreparedCall["call"]["tokenEvent"]>[0];

function pieceOf(
  { call, prompts }: PreparedCall,
  prompt: number,
  { sequence, text, ids, logprobs }: Pick<TextEvent, "sequence" | "text" | "ids" | "logprobs">,
) {
  const recorded = logprobs === undefined ? {} : { logprobs };
  return call.tokenEvent({
    prompt,
    sequence,
    text,
    ids,
    promptIds: prompts[prompt]?.promptIds ?? [],
    ...recorded,
  });
}

async function embed(service: PredictService, request: LlmRequest): Promise<unknown> {
  const { forwarded, signal } = request;
  const receivedAtMs = service.clock.now();
  const id = randomUUID();
  const { adapter } = service.config.defaults;
  const call = await prepareOffLoop(service.model, service.renderer, (model) =>
    readEmbeddings(request.body, model, {
      names: service.adapters.names(),
      byDefault: typeof adapter === "string" ? adapter : null,
    }),
  );
  await request.reserve(tokensOf(call));
  signal.throwIfAborted();
  const { handle, release } = submitTexts(service, { id, forwarded, receivedAtMs }, call);
  const untrack = request.track(handle);
  const abort = () => handle.abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const { outputs, usage, timings, error } = await handle.result;
    if (error !== null) throw error;
    const runTimeMs = milliseconds(timings.prefillMs + timings.decodeMs);
    return call.answer({ runId: id, runTimeMs, outputs, usage: usageOnWire(usage) }).body;
  } finally {
    signal.removeEventListener("abort", abort);
    untrack();
    release();
  }
}

function streamGiven(streams: boolean): ServingError {
  const message = streams
    ? "llm.stream always streams; leave `stream` out."
    : "llm.generate answers at once; leave `stream` out, or call llm.stream.";
  return fieldsError([parameterError("stream", "unsupported_parameter", message)]);
}
