// One predict call from its body to its last byte: prepare, submit, stream or collect, report, wait for the
// acknowledgement, answer.

import { asServingError, ServingError, type Timings } from "@corral/contract";
import type { Clock, Engine } from "@corral/engine";
import type { ServerResponse } from "node:http";
import type { AdapterTable } from "./adapter-table.ts";
import { milliseconds, stackOf, type CarryOut, type ReceivedCall } from "./answer-call.ts";
import type { ForwardedCall } from "./call-headers.ts";
import { isCommitted, notCommitted } from "./commitment.ts";
import type { ControlChannel } from "./control-channel.ts";
import type { PredictAnswer } from "./dialects/dialect.ts";
import { createChunkStream, createEventStream, createTextStream, type AnswerStream } from "./event-stream.ts";
import type { Engines } from "./engines.ts";
import { finishedRun } from "./finished-run.ts";
import type { PromptsHandle, PromptsResult } from "./generate-prompts.ts";
import type { KeyLimits } from "./key-limits.ts";
import type { ModelReplicaConfig } from "./loaded-model.ts";
import type { Log } from "./log.ts";
import { prepareInTurns, type CallForm, type PreparedCall } from "./prepare-call.ts";
import { prepareOffLoop } from "./prepare-off-loop.ts";
import type { PromptModel } from "./prompt.ts";
import type { Renderer } from "./renderer.ts";
import { orReleased, type RunBudgets } from "./run-budgets.ts";
import { sendJson } from "./send-answer.ts";
import type { ActiveRun, RunLedger, RunResult } from "./run-ledger.ts";
import { dialectContext, mostTokensOf, submitPrompts, sumOf } from "./submit-prompts.ts";

export interface PredictService {
  readonly config: ModelReplicaConfig;
  readonly model: PromptModel;
  /** Names of those that fitted beside the model. */
  readonly loadedDraftModels: ReadonlySet<string>;
  readonly engines: Engines;
  readonly adapters: AdapterTable;
  readonly channel: ControlChannel;
  readonly ledger: RunLedger;
  readonly keyLimits: KeyLimits;
  readonly budgets: RunBudgets;
  /** Null where the model has no chat template. */
  readonly renderer: Renderer | null;
  readonly clock: Clock;
  readonly log: Log;
  /** What the platform may take to commit the end of a run. */
  readonly acknowledgementMs: number;
}

/** Carries out a call to `/predict`, in the dialect that its headers name. */
export const predict = createCarryOut(({ dialect }) => {
  if (dialect !== "openai") return dialect;
  throw new ServingError("route_not_found", "OpenAI's calls have paths of their own.");
});
export const completeChat = createCarryOut(() => "openai_chat");
export const complete = createCarryOut(() => "openai_completion");

function createCarryOut(formOf: (forwarded: ForwardedCall) => CallForm): CarryOut<PredictService> {
  return (admit, received) => carryOut(admit, received, formOf(received.forwarded));
}

async function carryOut(
  admit: () => PredictService,
  { forwarded, body, query, receivedAtMs, response }: ReceivedCall,
  form: CallForm,
): Promise<void> {
  // Asked again: the state may have changed while the body arrived.
  const service = admit();
  const context = dialectContext(service, forwarded, { query, receivedAtMs });
  const prepared = await prepareOffLoop(service.model, service.renderer, (current) =>
    prepareInTurns(current, form, body, context),
  );
  await run(service, forwarded, prepared, response, receivedAtMs);
}

/** Fails with what the caller is to be told; a stream that has begun is broken off here instead. */
async function run(
  service: PredictService,
  forwarded: ForwardedCall,
  prepared: PreparedCall,
  response: ServerResponse,
  receivedAtMs: number,
): Promise<void> {
  const engine = await service.engines.engineFor(prepared.prompts[0].generation);
  const budget = service.budgets.open(forwarded);
  await budget.reserve(mostTokensOf(prepared));
  const { active, release } = orReleased(budget, () =>
    submit(service, engine, forwarded, prepared, receivedAtMs),
  );
  const leave = () => {
    if (response.writableFinished) return;
    active.callerLeft = true;
    active.handle.abort();
  };
  response.once("close", leave);
  if (response.destroyed) leave();

  const stream = createStream(prepared, response);
  try {
    const streamed = followEvents(service.ledger, active, prepared, stream);
    // Looked at once the run has ended; until then its failure must not end the process as one that nobody handles.
    streamed.catch(() => undefined);
    const result = await active.handle.result.finally(release);
    const outcome = conclude(service, prepared, result);
    const timings = timingsOf(result, forwarded.loadMs, service.clock.now() - receivedAtMs);
    const output = outcome.kind === "answer" ? outcome.answer.output : null;
    const number = service.ledger.finish(active, outcome.result, output, timings);
    await streamed;
    // Acknowledged means committed: no last byte before it.
    const committed = await isCommitted(service, number, forwarded.deadlineAtMs);
    if (response.destroyed) return;
    if (outcome.kind === "failure") throw outcome.error;
    if (!committed) throw notCommitted();
    if (stream === null) sendJson(response, outcome.answer);
    else stream.finish(outcome.answer.body);
  } catch (error) {
    if (stream === null || !stream.begun) throw error;
    stream.fail(asServingError(error));
  }
}

/** Nothing is kept of a call that gets no place in the engine's queue. */
function submit(
  service: PredictService,
  engine: Engine,
  forwarded: ForwardedCall,
  prepared: PreparedCall,
  receivedAtMs: number,
) {
  const { runId, projectId, keyId, dialect } = forwarded;
  const { handle, release } = submitPrompts(
    service,
    engine,
    { id: runId, forwarded, receivedAtMs },
    prepared,
  );
  const { prompts } = prepared;
  try {
    const active = service.ledger.begin({
      runId,
      projectId,
      keyId,
      dialect,
      promptTokenCount: sumOf(prompts, ({ promptTokenCount }) => promptTokenCount),
      sequenceCount: sumOf(prompts, ({ returnedSequenceCount }) => returnedSequenceCount),
      handle,
    });
    return { active, release };
  } catch (error) {
    release();
    throw error;
  }
}

function createStream({ call }: PreparedCall, response: ServerResponse): AnswerStream | null {
  switch (call.stream) {
    case "events":
      return createEventStream(response);
    case "text":
      return createTextStream(response);
    case "chunks":
      return createChunkStream(response);
    case "none":
      return null;
  }
}

/** Reports the first token and progress, and hands pieces to a stream at the pace at which its reader takes them. */
function followEvents(
  ledger: RunLedger,
  active: ActiveRun<PromptsHandle>,
  { call, prompts }: PreparedCall,
  stream: AnswerStream | null,
): Promise<void> {
  return active.handle.follow(async (prompt, event) => {
    if (event.kind === "first_token" || event.kind === "text") ledger.advance(active);
    if (event.kind !== "text" || stream === null) return;
    const { sequence, text, ids, logprobs } = event;
    const promptIds = prompts[prompt]?.promptIds ?? [];
    const recorded = logprobs === undefined ? {} : { logprobs };
    const piece = call.tokenEvent({ prompt, sequence, text, ids, promptIds, ...recorded });
    await stream.token({ text, event: piece });
  });
}

type Outcome =
  | { readonly kind: "answer"; readonly answer: PredictAnswer; readonly result: RunResult }
  | { readonly kind: "failure"; readonly error: ServingError; readonly result: RunResult };

/** The answer is made before the run is reported, so that a mistake in making it is the run's end as well. */
function conclude(service: PredictService, prepared: PreparedCall, ended: PromptsResult): Outcome {
  const { results, usage, error } = ended;
  const result: RunResult = { usage, error, sequences: results.flatMap(({ sequences }) => sequences) };
  if (error !== null) return { kind: "failure", error, result };
  try {
    return {
      kind: "answer",
      answer: prepared.call.answer(finishedRun(service.model, prepared, ended)),
      result,
    };
  } catch (cause) {
    service.log.error("an answer could not be made", { stack: stackOf(cause) });
    const error = asServingError(cause);
    return { kind: "failure", error, result: { ...result, error } };
  }
}

/** @param totalMs from the call's arrival at this replica, which came after `loadMs` */
function timingsOf({ timings }: PromptsResult, loadMs: number, totalMs: number): Timings {
  return {
    queue: milliseconds(timings.queueMs),
    load: loadMs,
    prefill: milliseconds(timings.prefillMs),
    decode: milliseconds(timings.decodeMs),
    total: milliseconds(loadMs + totalMs),
  };
}
