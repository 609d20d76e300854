// Several texts of one call through the engine, some at a time: one place in its queue, one end, one usage.

import { asServingError, ServingError } from "@corral/contract";
import type {
  Clock,
  Engine,
  EvaluationHandle,
  EvaluationOutput,
  EvaluationRequest,
  EvaluationResult,
  GenerationTimings,
  GenerationUsage,
} from "@corral/engine";

/** Enough to fill a step with short texts; more would take the slots of other callers. */
const mostAtOnce = 4;

export interface TextsRequest extends Omit<EvaluationRequest, "promptIds" | "hasPlace"> {
  /** At least one. */
  readonly texts: readonly (readonly number[])[];
}

export interface TextsResult {
  /** One for each text, in their order; none where there is an error. */
  readonly outputs: readonly EvaluationOutput[];
  readonly usage: GenerationUsage;
  readonly timings: GenerationTimings;
  readonly error: ServingError | null;
}

/** As an engine's own handle: `result` never rejects. */
export interface TextsHandle {
  readonly result: Promise<TextsResult>;
  readonly usage: GenerationUsage;
  abort(): void;
}

interface Submitted {
  readonly index: number;
  readonly handle: EvaluationHandle;
}

/** Throws what the engine says to the first text; the others need no place in its queue. */
export function evaluateTexts(engine: Engine, request: TextsRequest, clock: Clock): TextsHandle {
  const { texts, ...common } = request;
  const startedAtMs = clock.now();
  const live = new Set<EvaluationHandle>();
  const results: EvaluationResult[] = [];
  let error: ServingError | null = null;
  let nextIndex = 0;

  function submitNext(): Submitted | null {
    const index = nextIndex;
    const promptIds = texts[index];
    if (promptIds === undefined || error !== null) return null;
    const id = index === 0 ? common.id : `${common.id}/${index}`;
    const handle = engine.evaluate({ ...common, id, promptIds, hasPlace: index > 0 });
    nextIndex += 1;
    live.add(handle);
    return { index, handle };
  }

  /** The first failure is the call's, and nothing more is done for it. */
  function fail(cause: unknown): void {
    error ??= asServingError(cause);
    for (const handle of live) handle.abort();
  }

  async function work(first: Submitted | null): Promise<void> {
    try {
      for (let one = first ?? submitNext(); one !== null; one = submitNext()) {
        const result = await one.handle.result;
        live.delete(one.handle);
        results[one.index] = result;
        if (result.error !== null) fail(result.error);
      }
    } catch (cause) {
      fail(cause);
    }
  }

  const usage = (): GenerationUsage => {
    const all = [...results.filter(() => true), ...live].map((one) => one.usage);
    return {
      promptTokenCount: all.reduce((sum, { promptTokenCount }) => sum + promptTokenCount, 0),
      cachedTokenCount: all.reduce((sum, { cachedTokenCount }) => sum + cachedTokenCount, 0),
      generatedTokenCount: 0,
    };
  };

  async function workOff(first: Submitted | null): Promise<TextsResult> {
    const others = Array.from({ length: mostAtOnce - 1 }, () => work(null));
    await Promise.all([work(first), ...others]);
    const queueMs = results[0]?.timings.queueMs ?? 0;
    return {
      outputs: error === null ? results.flatMap(({ output }) => output ?? []) : [],
      usage: usage(),
      timings: { queueMs, prefillMs: clock.now() - startedAtMs - queueMs, decodeMs: 0 },
      error,
    };
  }

  return {
    result: workOff(submitNext()),
    get usage() {
      return usage();
    },
    abort: () => fail(new ServingError("aborted", "The evaluation was aborted.")),
  };
}
