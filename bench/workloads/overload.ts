// Eight times as many calls as the replica can answer, for ten minutes: what becomes of those it lets in, and whether
// the others are told the truth about when to come again.

import { caller, greedyTurn } from "../call.ts";
import {
  longestStepMs,
  memoryGrowth,
  promiseRatios,
  type Arrival,
  type ArrivalsResult,
} from "../arrivals.ts";
import { percentile } from "../statistics.ts";
import { cache, prompt, type Figure, type Measured, type Workload } from "../workload.ts";

const slotCount = 16;
const queueLength = 64;
const promptLength = 64;
const newTokenCount = 16;
const factor = 8;
const keys = Array.from({ length: 8 }, (_, index) => `caller ${index}`);
/** Of the samples in the result file; the figures are of all. */
const keptArrivalCount = 4_000;

export const overload: Workload = {
  name: "overload",
  question: `What becomes of calls that are ${factor} times too many, and are the refused ones told the truth?`,
  roundCount: 1,
  contenders: ({ quick, seconds = quick ? 30 : 600 }) => [
    {
      name: "corral-engine",
      setUp: "corral-engine",
      ...cache(slotCount, promptLength + newTokenCount),
      queueLength,
      phases(round) {
        // Twice as many as fit, so that somebody always waits.
        const callers = Array.from({ length: 2 * slotCount }, (_, index) =>
          caller(
            Array.from({ length: 40 }, () => ({
              ...greedyTurn(prompt(round, promptLength), newTokenCount),
              startsAnew: true,
            })),
            { key: keys[index % keys.length] ?? "" },
          ),
        );
        return [
          { kind: "calls", name: "capacity", callers, limitMs: quick ? 15_000 : 30_000 },
          {
            kind: "arrivals",
            name: "overload",
            capacityPhase: "capacity",
            factor,
            durationMs: seconds * 1_000,
            promptLength,
            newTokenCount,
            keys,
          },
        ];
      },
    },
  ],
  figures: [
    figure("arrivals", "/s", null, ({ perSecond }) => perSecond),
    figure("arrivals without a connection", "", null, ({ unsentCount }) => unsentCount),
    figure(
      "let in, of all calls",
      "%",
      null,
      ({ arrivals }) => (100 * admitted(arrivals).length) / arrivals.length,
    ),
    figure(
      "let in",
      "/s",
      "higher",
      ({ arrivals, durationMs }) => admitted(arrivals).length / (durationMs / 1_000),
    ),
    ...[0.5, 0.95, 1].flatMap((p) => [
      figure(`let in: time to the end, ${label(p)}`, "ms", "lower", ({ arrivals }) =>
        percentile(
          admitted(arrivals).map(({ endMs }) => endMs ?? Infinity),
          p,
        ),
      ),
      figure(`let in: time to first token, the queue included, ${label(p)}`, "ms", "lower", ({ arrivals }) =>
        percentile(
          admitted(arrivals).map(({ firstTokenMs }) => firstTokenMs ?? Infinity),
          p,
        ),
      ),
    ]),
    figure("step, the mean of the second in which it was longest", "ms", "lower", longestStepMs),
    // A call of a key that has more than its share waits while one of another key has its slot.
    figure("longest time between two tokens of a call", "ms", "lower", ({ arrivals }) =>
      Math.max(...arrivals.map(({ longestGapMs }) => longestGapMs)),
    ),
    figure(
      "preemptions",
      "",
      null,
      ({ steps }) => (steps.at(-1)?.preemptions ?? 0) - (steps[0]?.preemptions ?? 0),
    ),
    ...[0.25, 0.5, 0.75].map((p) =>
      figure(`Retry-After over the real wait, ${label(p)}`, "", null, (result) =>
        ratioAt(promiseRatios(result), p),
      ),
    ),
    figure("the same of those that also tried before, median", "", null, (result) =>
      ratioAt(promiseRatios(result, "probes"), 0.5),
    ),
    figure("refused calls whose wait is known", "", null, (result) => promiseRatios(result).length),
    figure("refused calls told more than the run had left", "%", null, ({ arrivals, durationMs }) => {
      const refused = arrivals.filter(({ promisedMs }) => promisedMs !== null);
      const late = refused.filter(({ promisedMs, sentMs }) => sentMs + (promisedMs ?? 0) > durationMs);
      return (100 * late.length) / refused.length;
    }),
    figure("first retries that were let in", "%", "higher", ({ arrivals }) => {
      // Those who keep asking have further attempts, which would flatter.
      const retried = arrivals.filter(
        ({ patience, attemptCount }) => patience === "once" && attemptCount > 1,
      );
      return (100 * admitted(retried).length) / retried.length;
    }),
    figure("memory: from a tenth of the time to its end", "%", "lower", (result) =>
      memoryGrowth(result, 0.1),
    ),
    figure("memory: from half of the time to its end", "%", "lower", (result) => memoryGrowth(result, 0.5)),
    figure("memory at the end", "MiB", null, ({ memory }) => (memory.at(-1)?.bytes ?? 0) / 1024 ** 2),
  ],
  limitMs: 120_000,
  kept,
};

function figure(
  name: string,
  unit: string,
  better: Figure["better"],
  value: (result: ArrivalsResult) => number | { readonly skipped: string },
): Figure {
  return {
    name,
    unit,
    better,
    value: ({ arrivals }) => {
      const result = arrivals?.["overload"];
      return result === undefined ? { skipped: "nothing arrived" } : value(result);
    },
  };
}

function ratioAt(ratios: readonly number[], p: number): number | { readonly skipped: string } {
  return ratios.length === 0 ? { skipped: "no refused call was followed to its end" } : percentile(ratios, p);
}

function admitted(arrivals: readonly Arrival[]): Arrival[] {
  return arrivals.filter(({ admittedMs }) => admittedMs !== null);
}

function label(p: number): string {
  if (p === 1) return "longest";
  return p === 0.5 ? "median" : `p${p * 100}`;
}

/** Of the arrivals every so manyth; of the calls before them only their ends. */
function kept({ arrivals = {}, phases, ...rest }: Measured): Measured {
  const capacity = phases["capacity"];
  const result = arrivals["overload"];
  if (capacity === undefined || result === undefined) return { arrivals, phases, ...rest };
  const every = Math.ceil(result.arrivals.length / keptArrivalCount);
  return {
    ...rest,
    phases: { capacity: { ...capacity, calls: capacity.calls.map((call) => ({ ...call, eventMs: [] })) } },
    arrivals: {
      overload: { ...result, arrivals: result.arrivals.filter((_, index) => index % every === 0) },
    },
  };
}
