// One call that generates nothing, from its body to its last byte: prepare, submit, wait, report, wait for the
// acknowledgement, answer.

import { asServingError, type ServingError } from "@corral/contract";
import type { CarryOut, ReceivedCall } from "../answer-call.ts";
import { milliseconds, stackOf } from "../answer-call.ts";
import { callTimings } from "../call-timings.ts";
import { isCommitted, notCommitted } from "../commitment.ts";
import type { PredictAnswer } from "../dialects/dialect.ts";
import type { PredictService } from "../predict.ts";
import { prepareOffLoop } from "../prepare-off-loop.ts";
import { orReleased } from "../run-budgets.ts";
import { startOf, usageOnWire } from "../run-ledger.ts";
import { sendJson, wholeAnswer } from "../send-answer.ts";
import type { TextsResult } from "./evaluate-texts.ts";
import type { EvaluationCall, ReadEvaluation } from "./evaluation-call.ts";
import { readEmbeddings } from "./read-embeddings.ts";
import { readScore } from "./read-score.ts";
import { submitTexts, tokensOf } from "./submit-texts.ts";

export const score = createCarryOut(readScore);
export const embed = createCarryOut(readEmbeddings);

function createCarryOut(read: ReadEvaluation): CarryOut<PredictService> {
  return async (admit, received) => {
    // Asked again: the state may have changed while the body arrived.
    const service = admit();
    const { adapter } = service.config.defaults;
    const call = await prepareOffLoop(service.model, service.renderer, (model) =>
      read(received.body, model, {
        names: service.adapters.names(),
        byDefault: typeof adapter === "string" ? adapter : null,
      }),
    );
    await run(service, call, received);
  };
}

async function run(service: PredictService, call: EvaluationCall, received: ReceivedCall): Promise<void> {
  const { forwarded, receivedAtMs, response } = received;
  const budget = service.budgets.open(forwarded);
  await budget.reserve(tokensOf(call));
  const submittedAtMs = service.clock.now();
  const { active, release } = orReleased(budget, () => submit(service, call, received));
  const leave = () => {
    if (response.writableFinished || forwarded.outlivesCaller) return;
    active.callerLeft = true;
    active.handle.abort();
  };
  response.once("close", leave);
  if (response.destroyed) leave();

  const result = await active.handle.result.finally(release);
  const { answer, error } = conclude(service, call, forwarded.runId, result);
  const nowMs = service.clock.now();
  const timings = callTimings(result.timings, forwarded, { receivedAtMs, submittedAtMs, nowMs });
  const ended = { usage: result.usage, sequences: [], error };
  const kept = forwarded.keepsAnswer && answer !== null ? wholeJson(answer) : null;
  const number = service.ledger.finish(active, ended, answer?.output ?? null, timings, kept);
  // Acknowledged means committed: no last byte before it.
  const committed = await isCommitted(service, number, forwarded.deadlineAtMs);
  if (response.destroyed) return;
  if (error !== null) throw error;
  if (!committed) throw notCommitted();
  if (answer !== null) sendJson(response, answer);
}

function wholeJson({ body }: PredictAnswer) {
  return wholeAnswer(200, "application/json", Buffer.from(JSON.stringify(body)));
}

/** Nothing is kept of a call that gets no place in the engine's queue. */
function submit(
  service: PredictService,
  call: EvaluationCall,
  { forwarded, receivedAtMs }: Pick<ReceivedCall, "forwarded" | "receivedAtMs">,
) {
  const { runId } = forwarded;
  const { handle, release } = submitTexts(service, { id: runId, forwarded, receivedAtMs }, call);
  try {
    const active = service.ledger.begin({
      ...startOf(forwarded),
      promptTokenCount: tokensOf(call),
      sequenceCount: call.texts.length,
      handle,
    });
    return { active, release };
  } catch (error) {
    release();
    throw error;
  }
}

interface Conclusion {
  /** Null where there is an error. */
  readonly answer: PredictAnswer | null;
  readonly error: ServingError | null;
}

/** The answer is made before the run is reported, so that a mistake in making it is the run's end as well. */
function conclude(
  { log }: PredictService,
  call: EvaluationCall,
  runId: string,
  { outputs, usage, timings, error }: TextsResult,
): Conclusion {
  if (error !== null) return { answer: null, error };
  try {
    const runTimeMs = milliseconds(timings.prefillMs + timings.decodeMs);
    return { answer: call.answer({ runId, runTimeMs, outputs, usage: usageOnWire(usage) }), error: null };
  } catch (cause) {
    log.error("an answer could not be made", { stack: stackOf(cause) });
    return { answer: null, error: asServingError(cause) };
  }
}
