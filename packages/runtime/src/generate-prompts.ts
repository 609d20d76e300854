// The prompts of one call through the engine, some at a time: each a generation of its own, all of them with one place in
// its queue, one end and one usage.

import { asServingError, ServingError } from "@corral/contract";
import {
  chooseSeed,
  sequenceCountOf,
  type Clock,
  type Engine,
  type GenerationEvent,
  type GenerationHandle,
  type GenerationRequest,
  type GenerationResult,
  type GenerationTimings,
  type GenerationUsage,
  type ValidGeneration,
} from "@corral/engine";

export interface PromptGeneration {
  readonly promptIds: readonly number[];
  readonly generation: ValidGeneration;
}

export interface PromptsRequest extends Omit<
  GenerationRequest,
  "promptIds" | "generation" | "promptIndex" | "seed" | "hasPlace"
> {
  /** At least one. */
  readonly prompts: readonly PromptGeneration[];
  /** Most sequences that several prompts have under way together: more would take the slots of other callers. */
  readonly mostSequencesAtOnce: number;
}

export interface PromptsResult {
  /** One for each prompt, in their order; with an error, of those that were begun. */
  readonly results: readonly GenerationResult[];
  readonly usage: GenerationUsage;
  readonly timings: GenerationTimings;
  /** Of the first failure, which among several prompts is named with its prompt's index. */
  readonly error: ServingError | null;
}

export type TakeEvent = (promptIndex: number, event: GenerationEvent) => Promise<void>;

/** As an engine's own handle: `result` never rejects. */
export interface PromptsHandle {
  readonly result: Promise<PromptsResult>;
  readonly usage: GenerationUsage;
  /**
   * Hands on every event, those of one prompt in order; to be called once, at once. Resolves when all were taken, and
   * rejects after the end where `take` did.
   */
  follow(take: TakeEvent): Promise<void>;
  abort(): void;
}

interface Submitted {
  readonly index: number;
  readonly handle: GenerationHandle;
  readonly atMs: number;
}

interface Done extends Submitted {
  readonly result: GenerationResult;
}

/** Throws what the engine says to the first prompt; the others need no place in its queue. */
export function generatePrompts(engine: Engine, request: PromptsRequest, clock: Clock): PromptsHandle {
  const { prompts, mostSequencesAtOnce, ...common } = request;
  const areSeveral = prompts.length > 1;
  const widest = Math.max(...prompts.map(({ generation }) => sequenceCountOf(generation)));
  const mostAtOnce = Math.max(1, Math.floor(mostSequencesAtOnce / widest));
  // The draws of a call have one seed, told apart by the prompt's index.
  const seed = areSeveral ? { seed: chooseSeed() } : {};
  const begun: Submitted[] = [];
  const live = new Set<GenerationHandle>();
  const done: Done[] = [];
  const taken: Promise<void>[] = [];
  let take: TakeEvent | null = null;
  let error: ServingError | null = null;

  function submitNext(): Submitted | null {
    const index = begun.length;
    const prompt = prompts[index];
    if (prompt === undefined || error !== null) return null;
    const id = index === 0 ? common.id : `${common.id}/${index}`;
    const place = { promptIndex: index, hasPlace: index > 0 };
    const handle = engine.submit({ ...common, ...prompt, ...place, ...seed, id });
    const submitted = { index, handle, atMs: clock.now() };
    begun.push(submitted);
    live.add(handle);
    handOn(submitted);
    return submitted;
  }

  function handOn({ index, handle }: Submitted): void {
    const taker = take;
    if (taker === null) return;
    const consumed = (async () => {
      for await (const event of handle) await taker(index, event);
    })();
    // Looked at once all has ended; until then its failure must not end the process as one that nobody handles.
    consumed.catch(() => undefined);
    taken.push(consumed);
  }

  /** The first failure is the call's, and nothing more is done for it. */
  function fail(cause: unknown, index: number | null): void {
    const failure = asServingError(cause);
    error ??= index === null || !areSeveral ? failure : ofPrompt(failure, index);
    for (const handle of live) handle.abort();
  }

  async function work(first: Submitted | null): Promise<void> {
    try {
      for (let one = first ?? submitNext(); one !== null; one = submitNext()) {
        const result = await one.handle.result;
        live.delete(one.handle);
        done.push({ ...one, result });
        if (result.error !== null) fail(result.error, one.index);
      }
    } catch (cause) {
      fail(cause, begun.length);
    }
  }

  async function workOff(first: Submitted | null): Promise<PromptsResult> {
    const others = Array.from({ length: mostAtOnce - 1 }, () => work(null));
    await Promise.all([work(first), ...others]);
    done.sort((a, b) => a.index - b.index);
    return {
      results: done.map(({ result }) => result),
      usage: sumOfUsage(begun),
      timings: timingsOf(done),
      error,
    };
  }

  const result = workOff(submitNext());
  return {
    result,
    get usage() {
      return sumOfUsage(begun);
    },
    async follow(taker) {
      take = taker;
      for (const submitted of begun) handOn(submitted);
      await result;
      await Promise.all(taken);
    },
    abort: () => fail(new ServingError("aborted", "The generation was aborted."), null),
  };
}

/** Says which of several prompts an error is about. */
export function ofPrompt(error: ServingError, index: number): ServingError {
  const { code, message, errors, retryAfterSeconds, cause } = error;
  return new ServingError(code, `Prompt ${index}: ${message}`, {
    errors,
    ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function sumOfUsage(begun: readonly Submitted[]): GenerationUsage {
  const all = begun.map(({ handle }) => handle.usage);
  return {
    promptTokenCount: all.reduce((sum, { promptTokenCount }) => sum + promptTokenCount, 0),
    cachedTokenCount: all.reduce((sum, { cachedTokenCount }) => sum + cachedTokenCount, 0),
    generatedTokenCount: all.reduce((sum, { generatedTokenCount }) => sum + generatedTokenCount, 0),
  };
}

/** From the submission of the first to the end of the last: the phases begin with the first prompt that came to them. */
function timingsOf(done: readonly Done[]): GenerationTimings {
  const startedAtMs = Math.min(...done.map(({ atMs }) => atMs));
  const phases = done.map(({ atMs, result: { timings, sequences } }) => {
    const admittedAtMs = atMs + timings.queueMs;
    const prefilledAtMs = admittedAtMs + timings.prefillMs;
    const hasTokens = sequences.some(({ ids }) => ids.length > 0);
    return {
      admittedAtMs,
      firstTokenAtMs: hasTokens ? prefilledAtMs : Infinity,
      endedAtMs: prefilledAtMs + timings.decodeMs,
    };
  });
  const admittedAtMs = Math.min(...phases.map((one) => one.admittedAtMs));
  const endedAtMs = Math.max(...phases.map((one) => one.endedAtMs));
  const firstTokenAtMs = Math.min(endedAtMs, ...phases.map((one) => one.firstTokenAtMs));
  return {
    queueMs: admittedAtMs - startedAtMs,
    prefillMs: firstTokenAtMs - admittedAtMs,
    decodeMs: endedAtMs - firstTokenAtMs,
  };
}
