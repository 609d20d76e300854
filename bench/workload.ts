// What a workload is: the servers it needs, what is asked of each, and the figures that come of it. Data and pure
// functions; the runner alone knows processes.

import type { ArrivalsResult } from "./arrivals.ts";
import type { Caller, LoadResult, WireName } from "./call.ts";
import type { CpuUse } from "./machine.ts";
import { createRandom, type Random } from "./random.ts";

/** Set-ups of servers: ours, llama-server's ones, and transformers on the processor with a type of its numbers. */
export type SetUp =
  | "corral-engine"
  | "llama-server"
  | "llama-server --kv-unified"
  | "llama-server --cache-reuse 256"
  | "llama-server --cache-ram 0"
  | "transformers bfloat16"
  | "transformers float32";

/** The words of a set-up after the first are flags of that server. */
export function wireOf(setUp: SetUp): WireName {
  if (setUp === "corral-engine") return "corral";
  return setUp.startsWith("transformers") ? "transformers" : "llama-server";
}

export interface Workload {
  readonly name: string;
  /** What it tells, in one line. */
  readonly question: string;
  /** The first is the one that is judged, against each of the others. */
  contenders(scale: Scale): readonly Contender[];
  readonly figures: readonly Figure[];
  /** Of one phase; what is not done by then is cut. */
  readonly limitMs: number;
  /** Default 9. */
  readonly roundCount?: number;
  /** Its figures come from load reports, which take a second to come. */
  readonly readsLoad?: boolean;
  /** What is kept of a round, where everything would be too much; figures are taken before. Default: all. */
  kept?(measured: Measured): Measured;
}

export interface Scale {
  /** Shortened, to try the workload; its figures mean little. */
  readonly quick: boolean;
  /** How long calls arrive, where a workload has such a time; default: its own. */
  readonly seconds?: number;
}

export interface Contender {
  readonly name: string;
  readonly setUp: SetUp;
  readonly slotCount: number;
  readonly cellCount: number;
  /** Tokens of one sequence. */
  readonly contextLength: number;
  /** Calls that may wait; default 256. */
  readonly queueLength?: number;
  /** Of our replica; default: the platform's. */
  readonly maxStepMs?: number;
  /** Everything of one round, in order. */
  phases(round: RoundContext): readonly Phase[];
}

export type Phase =
  | {
      readonly kind: "calls";
      readonly name: string;
      readonly callers: readonly Caller[];
      readonly endsWithGroup?: string;
      /** Everything is cut after this time; default: the workload's limit. */
      readonly limitMs?: number;
    }
  /** Calls that come at random, so many times as often as those of an earlier phase were answered. */
  | {
      readonly kind: "arrivals";
      readonly name: string;
      readonly capacityPhase: string;
      readonly factor: number;
      readonly durationMs: number;
      readonly promptLength: number;
      readonly newTokenCount: number;
      readonly keys: readonly string[];
    }
  /** Ends the server as an operator would, and starts it again. */
  | { readonly kind: "restart" }
  /** A request of the server's own kind; its time is the phase's. */
  | {
      readonly kind: "request";
      readonly name: string;
      readonly path: string;
      readonly body: Readonly<Record<string, unknown>>;
    };

/** The same for every contender of a round, so that all get the same prompts. */
export interface RoundContext {
  readonly random: Random;
  /** Prompt tokens are drawn from `[start, end)`: no special ones, no parts of characters. */
  readonly tokens: { readonly start: number; readonly end: number };
}

/** What one contender did in one round, by the name of the phase. */
export interface Measured {
  readonly phases: Readonly<Record<string, LoadResult>>;
  readonly arrivals?: Readonly<Record<string, ArrivalsResult>>;
  /** The server's last load report before and after the phase. */
  readonly loads: Readonly<Record<string, LoadDelta>>;
  /** What the machine did meanwhile. */
  readonly cpu: Readonly<Record<string, CpuUse>>;
}

export interface LoadDelta {
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Null: it explains the others, and is no merit. */
  readonly better: "higher" | "lower" | null;
  /** A number, or the reason why there is none. */
  value(measured: Measured): number | { readonly skipped: string };
}

export function roundContext(
  seed: number,
  workload: string,
  round: number,
  vocabularySize: number,
): RoundContext {
  return {
    random: createRandom(seed, workload, round),
    tokens: { start: 300, end: vocabularySize - 256 },
  };
}

export function prompt({ random, tokens }: RoundContext, length: number): number[] {
  return Array.from({ length }, () => random.integer(tokens.start, tokens.end));
}

/** A server's whole cache: slots of equal size, which llama.cpp rounds up to 256 tokens. */
export function cache(slotCount: number, longestSequence: number) {
  const contextLength = Math.ceil(longestSequence / 256) * 256;
  return { slotCount, contextLength, cellCount: slotCount * contextLength };
}

/** Sequences of our replica for each slot of llama-server; both have the same cells. */
const sequencesPerSlot = 4;

/**
 * The same work for every set-up; the first one is judged. A slot of llama-server is a share of the cache, which keeps
 * what it had last; ours is only an id, and a kept prefix needs one beside those of live sequences.
 */
export function versus(
  setUps: readonly SetUp[],
  contender: Omit<Contender, "name" | "setUp">,
): readonly Contender[] {
  return setUps.map((setUp) => {
    const slotCount =
      setUp === "corral-engine" ? Math.min(256, sequencesPerSlot * contender.slotCount) : contender.slotCount;
    return { name: setUp, setUp, ...contender, slotCount };
  });
}

export const plainSetUps = ["corral-engine", "llama-server", "llama-server --kv-unified"] as const;
/** Where prompts have common prefixes. */
export const prefixSetUps = [...plainSetUps, "llama-server --cache-reuse 256"] as const;
