// How a call is put to a server and what its events mean: the only difference between servers that the client knows.

import type { Sampling } from "../call.ts";

export interface WireCall {
  readonly ids: readonly number[];
  readonly newTokenCount: number;
  readonly sampleCount: number;
  readonly sampling: Sampling;
  /** Default 1. */
  readonly beamCount?: number;
}

export interface WireEvent {
  /** New tokens of all samples. */
  readonly ids: readonly number[];
  /** Counts of what ended with this event. */
  readonly end: WireEnd | null;
  readonly error: string | null;
}

export interface WireEnd {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

export interface Wire {
  /** `key` is null for the project's own. */
  headers(key: string | null): Record<string, string>;
  body(call: WireCall): Record<string, unknown>;
  /** `name` is the event's, or "" where it has none. */
  read(name: string, data: unknown): WireEvent;
}

export const nothing: WireEvent = { ids: [], end: null, error: null };
