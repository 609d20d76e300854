// What becomes of weights that were asked for: queued → fetching, converting, quantizing, checking → ready, failed or
// canceled. Pure: time and chance are arguments. Knows neither processes nor rows.

import {
  errorTable,
  type ErrorCode,
  type PreparationSource,
  type QuantizationRecipe,
  type WeightsProgress,
  type WeightsStage,
  type WeightsStatus,
} from "@corral/contract";

/** What the process that prepares them is told to do. */
export interface Preparation {
  readonly source: PreparationSource;
  /** Null: matrices stay as they are. */
  readonly recipe: QuantizationRecipe | null;
  /** What came along with local weights and is the model's own; absent: nothing. */
  readonly carried?: CarriedSettings;
}

export interface CarriedSettings {
  /** By generation_config.json's names. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** Null: the model's own. */
  readonly contextLength: number | null;
}

export interface WeightsState {
  readonly status: WeightsStatus;
  /** Why it failed, or what it waits for; null: nothing is wrong. */
  readonly detail: string | null;
  /** Of the last failure. */
  readonly errorCode: ErrorCode | null;
  readonly progress: WeightsProgress | null;
  /** Most bytes that each stage had done, in any attempt. Invariant: what is shown never falls below. */
  readonly furthestBytes: Readonly<Partial<Record<WeightsStage, number>>>;
  /** Attempts in a row that failed and fetched nothing new. */
  readonly failureCount: number;
  /** What was remarked of the source and on the way, each once. */
  readonly warnings: readonly string[];
  /** Bytes fetched when the last attempt began. */
  readonly fetchedBefore: number;
}

export type WeightsEvent =
  | { readonly kind: "started"; readonly stage: WeightsStage }
  | { readonly kind: "progress"; readonly stage: WeightsStage; readonly progress: WeightsProgress }
  | { readonly kind: "warning"; readonly detail: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly detail: string }
  /** The process ended without a word. */
  | { readonly kind: "lost"; readonly how: string }
  | { readonly kind: "cancel_requested" }
  /** The platform that ran it ended; its next process goes on. */
  | { readonly kind: "interrupted" }
  /** Somebody wants it again after it failed, was canceled, or its file went away. */
  | { readonly kind: "asked_again" };

export const queuedWeights: WeightsState = {
  status: "queued",
  detail: null,
  errorCode: null,
  progress: null,
  furthestBytes: {},
  failureCount: 0,
  warnings: [],
  fetchedBefore: 0,
};

/** So many attempts in a row that get nowhere are enough. */
export const attemptLimit = 6;
const mostWarnings = 20;
/** A process that dies without a word is likely to do so again. */
export const lostLimit = 3;

export function isEnded({ status }: Pick<WeightsState, "status">): boolean {
  return status === "ready" || status === "failed" || status === "canceled";
}

export function nextWeights(state: WeightsState, event: WeightsEvent): WeightsState {
  if (event.kind === "asked_again") return isEnded(state) ? queuedWeights : state;
  if (isEnded(state)) return state;
  switch (event.kind) {
    case "started":
      return {
        ...state,
        status: event.stage,
        detail: null,
        progress: null,
        fetchedBefore: state.furthestBytes.fetching ?? 0,
      };
    case "progress": {
      const { stage, progress } = event;
      const furthest = Math.max(progress.done_bytes, state.furthestBytes[stage] ?? 0);
      return {
        ...state,
        status: stage,
        detail: null,
        progress: { ...progress, done_bytes: furthest },
        furthestBytes: { ...state.furthestBytes, [stage]: furthest },
      };
    }
    case "warning":
      return state.warnings.includes(event.detail)
        ? state
        : { ...state, warnings: [...state.warnings, event.detail].slice(-mostWarnings) };
    case "ready":
      return { ...state, status: "ready", detail: null, errorCode: null, progress: null };
    case "failed":
      return afterFailure(state, event.code, event.detail, isPassing(event.code) ? attemptLimit : 1);
    case "lost":
      return afterFailure(state, "internal", event.how, lostLimit);
    case "cancel_requested":
      return { ...state, status: "canceled", detail: null, progress: null };
    case "interrupted":
      return { ...state, status: "queued", progress: null };
  }
}

function afterFailure(state: WeightsState, code: ErrorCode, detail: string, limit: number): WeightsState {
  const fetchedMore = (state.furthestBytes.fetching ?? 0) > state.fetchedBefore;
  const failureCount = (fetchedMore ? 0 : state.failureCount) + 1;
  const isFinal = failureCount >= limit;
  return {
    ...state,
    status: isFinal ? "failed" : "queued",
    detail: isFinal ? detail : `${detail} It is tried again by itself.`,
    errorCode: code,
    progress: null,
    failureCount,
  };
}

/** A full disk does not get emptier by trying; the others pass. */
function isPassing(code: ErrorCode): boolean {
  return errorTable[code].retryable && code !== "storage_full";
}

const firstDelayMs = 2_000;
const longestDelayMs = 5 * 60_000;

/**
 * Milliseconds before the next attempt: two seconds, four times as long after each further failure, five minutes at
 * most, spread by up to a quarter either way.
 * @param chance in [0, 1)
 */
export function retryDelayMs(failureCount: number, chance: number): number {
  const exponent = Math.min(Math.max(0, failureCount - 1), 10);
  return Math.round(Math.min(longestDelayMs, firstDelayMs * 4 ** exponent) * (0.75 + chance / 2));
}
