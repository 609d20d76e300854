// One key keeps 32 streams running; another comes with a prompt of 256 tokens now and then. How much later does its
// answer begin than on an idle engine, and what does that cost all together?

import { caller, greedyTurn, type Caller, type CallRecord } from "../call.ts";
import { cpuTime, gaps } from "../figures.ts";
import { percentile } from "../statistics.ts";
import { defaultMaxStepMs } from "../targets/entry.ts";
import {
  cache,
  prompt,
  type Contender,
  type Figure,
  type Measured,
  type Phase,
  type RoundContext,
  type Workload,
} from "../workload.ts";

const streamCount = 32;
const streamPromptLength = 32;
const guestPromptLength = 256;
const guestTokenCount = 4;
/** The streams' prompts are done by then. */
const guestStartMs = 5_000;
const guestPauseMs = 300;
/** A few steps of the streams. */
const longMaxStepMs = 1_000;

export const hog: Workload = {
  name: "hog",
  question: "What do a key with 32 streams and a guest with prompts of 256 tokens have of each other?",
  contenders({ quick }) {
    const guestCallCount = quick ? 2 : 4;
    // The platform's default number of sequences.
    const server = { ...cache(streamCount + 1, 512), slotCount: 64 };
    const contender = (
      name: string,
      [hogKey, guestKey]: readonly [string, string],
      maxStepMs: number,
    ): Contender => ({
      name: `corral-engine, ${name}, max_step_ms ${maxStepMs}`,
      maxStepMs,
      setUp: "corral-engine",
      ...server,
      phases: (round) => phases(round, guestCallCount, hogKey, guestKey),
    });
    const aKeyEach = ["hog", "guest"] as const;
    return [
      contender("a key each", aKeyEach, defaultMaxStepMs),
      // Inside a key the engine serves whoever came first.
      contender("one key: first come, first served", ["both", "both"], defaultMaxStepMs),
      // Near what the next tokens of so many streams and a prompt take together on a few cores.
      contender("a key each", aKeyEach, longMaxStepMs),
    ];
  },
  figures: [
    guestTime("alone", 0.95),
    guestTime("beside", 0.95),
    {
      name: "guest: p95 beside the hog − p95 alone",
      unit: "ms",
      better: "lower",
      value: (measured) => guestP95(measured, "beside") - guestP95(measured, "alone"),
    },
    guestTime("beside", 0.5),
    {
      name: "computed tokens of all, prompts and answers",
      unit: "/s",
      better: "higher",
      value: ({ phases: { beside } }) =>
        (beside?.calls ?? []).reduce((sum, call) => sum + computedTokens(call), 0) /
        ((beside?.wallMs ?? 0) / 1_000),
    },
    {
      name: "generated tokens of all",
      unit: "/s",
      better: "higher",
      value: ({ phases: { beside } }) =>
        (beside?.calls ?? []).reduce((sum, { generatedTokens }) => sum + generatedTokens, 0) /
        ((beside?.wallMs ?? 0) / 1_000),
    },
    {
      name: "hog: time between tokens, p99",
      unit: "ms",
      better: null,
      value: ({ phases: { beside } }) => (beside === undefined ? 0 : percentile(gaps(beside, "hog"), 0.99)),
    },
    cpuTime,
  ],
  limitMs: 120_000,
  kept: (measured) => ({
    ...measured,
    phases: Object.fromEntries(
      Object.entries(measured.phases).map(([name, phase]) => [
        name,
        { ...phase, calls: phase.calls.map(keptOf) },
      ]),
    ),
  }),
};

function phases(round: RoundContext, guestCallCount: number, hogKey: string, guestKey: string): Phase[] {
  const guest = (startMs: number) =>
    caller(
      Array.from({ length: guestCallCount }, () => ({
        ...greedyTurn(prompt(round, guestPromptLength), guestTokenCount),
        // Somewhere in a step of the hog, not always at its end.
        thinkMs: guestPauseMs * (0.5 + round.random.next()),
        startsAnew: true,
      })),
      { group: "guest", key: guestKey, startMs },
    );
  const [alone, beside] = [guest(0), guest(guestStartMs)];
  const streams = Array.from({ length: streamCount }, () => stream(round, hogKey));
  return [
    { kind: "calls", name: "alone", callers: [alone] },
    { kind: "calls", name: "beside", callers: [...streams, beside], endsWithGroup: "guest" },
  ];
}

/** One call after another, of different lengths, for longer than the guest is there. */
function stream(round: RoundContext, key: string): Caller {
  const turns = Array.from({ length: 24 }, () => ({
    ...greedyTurn(prompt(round, streamPromptLength), round.random.integer(48, 144)),
    startsAnew: true,
  }));
  return caller(turns, { group: "hog", key });
}

function guestP95(measured: Measured, phase: string): number {
  return percentile(firstTokenTimes(measured, phase), 0.95);
}

function guestTime(phase: string, p: number): Figure {
  return {
    name: `guest ${phase === "alone" ? "alone" : "beside the hog"}: time to first token, ${p === 0.5 ? "median" : `p${p * 100}`}`,
    unit: "ms",
    better: "lower",
    value: (measured) => percentile(firstTokenTimes(measured, phase), p),
  };
}

function firstTokenTimes({ phases }: Measured, phase: string): number[] {
  const { calls = [], wallMs = 0 } = phases[phase] ?? {};
  return calls
    .filter(({ group }) => group === "guest")
    .map(({ eventMs, sentMs }) => eventMs[0] ?? wallMs - sentMs);
}

/** A prompt counts once its first token is there; what a preempted stream computes again does not count. */
function computedTokens({ group, eventMs, generatedTokens }: CallRecord): number {
  if (eventMs.length === 0) return 0;
  return (group === "hog" ? streamPromptLength : guestPromptLength) + generatedTokens;
}

/** Of streams only when they began: every token of theirs would be megabytes. */
function keptOf(call: CallRecord): CallRecord {
  return call.group === "hog" ? { ...call, eventMs: call.eventMs.slice(0, 1) } : call;
}
