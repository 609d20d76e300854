// One predict call from its body to its last byte: prepare, submit, stream or collect, report, wait for the
// acknowledgement, answer.

import { asServingError, ServingError, type WholeAnswer } from "@corral/contract";
import type { Clock, EffectiveParameters, Engine } from "@corral/engine";
import type { ServerResponse } from "node:http";
import type { AdapterTable } from "./adapter-table.ts";
import { stackOf, type CarryOut, type ReceivedCall } from "./answer-call.ts";
import type { ForwardedCall } from "./call-headers.ts";
import { callTimings } from "./call-timings.ts";
import { isCommitted, notCommitted } from "./commitment.ts";
import type { ControlChannel } from "./control-channel.ts";
import type { PredictAnswer } from "./dialects/dialect.ts";
import {
  createChunkStream,
  createEventStream,
  createTextStream,
  type AnswerStream,
  type StreamOptions,
} from "./event-stream.ts";
import type { Engines } from "./engines.ts";
import { finishedRun } from "./finished-run.ts";
import type { PromptsHandle, PromptsResult } from "./generate-prompts.ts";
import type { KeyLimits } from "./key-limits.ts";
import type { ModelReplicaConfig } from "./loaded-model.ts";
import type { Log } from "./log.ts";
import { createPacedPieces, type PacedPieces } from "./paced-pieces.ts";
import { prepareInTurns, type CallForm, type PreparedCall } from "./prepare-call.ts";
import { prepareOffLoop } from "./prepare-off-loop.ts";
import type { PromptModel } from "./prompt.ts";
import type { Renderer } from "./renderer.ts";
import { orReleased, type RunBudgets } from "./run-budgets.ts";
import { sendJson, wholeAnswer } from "./send-answer.ts";
import { startOf, type ActiveRun, type RunLedger, type RunResult } from "./run-ledger.ts";
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
  const submittedAtMs = service.clock.now();
  const { active, release } = orReleased(budget, () =>
    submit(service, engine, forwarded, prepared, receivedAtMs),
  );
  const leave = () => {
    if (response.writableFinished || forwarded.outlivesCaller) return;
    active.callerLeft = true;
    active.handle.abort();
  };
  response.once("close", leave);
  if (response.destroyed) leave();

  const stream = createStream(prepared, response, { keepsWhole: forwarded.keepsAnswer });
  try {
    const pieces = stream === null ? null : sendPieces(stream, prepared, forwarded);
    const followed = followEvents(service, active, prepared.prompts, pieces);
    // Looked at once the run has ended; until then its failure must not end the process as one that nobody handles.
    followed.catch(() => undefined);
    const result = await active.handle.result.finally(release);
    const outcome = conclude(service, prepared, result);
    // All its text is here now, though a slow reader may have to take the rest of it.
    const [gathered] = await Promise.allSettled([followed]);
    const nowMs = service.clock.now();
    const timings = callTimings(result.timings, forwarded, { receivedAtMs, submittedAtMs, nowMs });
    const output = outcome.kind === "answer" ? outcome.answer.output : null;
    const keeps = forwarded.keepsAnswer && active.isStored;
    const kept = keeps && outcome.kind === "answer" ? wholeOf(outcome.answer, stream) : null;
    const number = service.ledger.finish(active, outcome.result, output, timings, kept);
    if (gathered.status === "rejected") throw gathered.reason;
    await pieces?.taken();
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

/** Null where it is too long to be kept. */
function wholeOf({ body }: PredictAnswer, stream: AnswerStream | null): WholeAnswer | null {
  if (stream === null) return wholeAnswer(200, "application/json", Buffer.from(JSON.stringify(body)));
  const { contentType, text } = stream.whole(body);
  return wholeAnswer(200, contentType, Buffer.from(text));
}

/** Nothing is kept of a call that gets no place in the engine's queue. */
function submit(
  service: PredictService,
  engine: Engine,
  forwarded: ForwardedCall,
  prepared: PreparedCall,
  receivedAtMs: number,
) {
  const submission = { id: forwarded.runId, forwarded, receivedAtMs };
  const { handle, release } = submitPrompts(service, engine, submission, prepared);
  const { call, prompts } = prepared;
  try {
    const start = startOf(forwarded);
    const active = service.ledger.begin({
      ...start,
      // The call's own word goes before the project's.
      isStored: forwarded.storesIfAsked ? call.isStored === true : start.isStored && call.isStored !== false,
      isFollowed: call.stream !== "none" || forwarded.isFollowed,
      promptTokenCount: sumOf(prompts, ({ promptTokenCount }) => promptTokenCount),
      sequenceCount: sumOf(prompts, ({ returnedSequenceCount }) => returnedSequenceCount),
      parameters: chosenParameters(prompts[0].explain()),
      handle,
    });
    return { active, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** What somebody set: the caller, the model or its deployment. The lengths, which depend on the prompt, always. */
function chosenParameters(all: EffectiveParameters): Readonly<Record<string, unknown>> {
  const chosen = Object.entries(all).filter(
    ([name, { source }]) => source !== "default" || name === "max_length" || name === "do_sample",
  );
  return Object.fromEntries(chosen);
}

function createStream(
  { call }: PreparedCall,
  response: ServerResponse,
  options: StreamOptions,
): AnswerStream | null {
  switch (call.stream) {
    case "events":
      return createEventStream(response, options);
    case "text":
      return createTextStream(response, options);
    case "chunks":
      return createChunkStream(response, options);
    case "none":
      return null;
  }
}

/** Hands pieces to a stream at the pace at which its reader takes them. */
function sendPieces(stream: AnswerStream, { call }: PreparedCall, { attempt }: ForwardedCall): PacedPieces {
  return createPacedPieces(async ({ endAt, ...event }) => {
    const id = endAt === null ? null : `${attempt}-${endAt}`;
    await stream.token({ text: event.text, event: call.tokenEvent(event), id });
  });
}

/** Reports the first token, progress and text; waits for no reader. */
function followEvents(
  { ledger, clock }: Pick<PredictService, "ledger" | "clock">,
  active: ActiveRun<PromptsHandle>,
  prompts: PreparedCall["prompts"],
  pieces: PacedPieces | null,
): Promise<void> {
  return active.handle.follow(async (prompt, event) => {
    if (event.kind === "first_token" || event.kind === "text") ledger.advance(active, clock.now());
    if (event.kind !== "text") return;
    const { sequence, text, ids, logprobs } = event;
    const endAt = ledger.addText(active, text, prompt, sequence);
    const promptIds = prompts[prompt]?.promptIds ?? [];
    const recorded = logprobs === undefined ? {} : { logprobs };
    pieces?.push({ prompt, sequence, text, ids, promptIds, endAt, ...recorded });
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
