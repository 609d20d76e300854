// What callers of a workload do, and what the client saw of it: plain data between the runner and its client.

/** What a server is spoken to with. */
export type WireName = "corral" | "llama-server" | "transformers";

/**
 * How tokens are chosen. The weights of `scripts/make-shape.ts` give none of these a chance to end early, so neither
 * server is asked to suppress ends, which would cost it time; the client checks that every call has its length.
 */
export type Sampling = "greedy" | "top-k" | "warped";

export interface Turn {
  /** After the end of the turn before. */
  readonly thinkMs: number;
  /** The prompt; in a conversation what comes after everything before, the replies included. */
  readonly ids: readonly number[];
  /** Tokens of each sample. */
  readonly newTokenCount: number;
  readonly sampleCount: number;
  readonly sampling: Sampling;
  /** Above 1 a beam search, of which the best is returned. Default 1. */
  readonly beamCount?: number;
  /** Nothing that was said before belongs to the prompt. Default false. */
  readonly startsAnew?: boolean;
}

export interface Caller {
  readonly group: string;
  /** Whose key it calls with; callers without one have the project's. Only our replica knows of keys. */
  readonly key?: string;
  /** From the beginning of the measurement. */
  readonly startMs: number;
  /** Begins only once the caller of group "interactive" has had this many tokens. */
  readonly startAfterTokens: number;
  readonly turns: readonly Turn[];
}

/** One phase of a measurement, as the client gets it. */
export interface LoadJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly wire: WireName;
  readonly callers: readonly Caller[];
  /** Everything is cut after this time. */
  readonly limitMs: number;
  /** Everything else is cut once the callers of this group are done. */
  readonly endsWithGroup: string | null;
}

/** Times in milliseconds; of a call they count from the moment it was sent. */
export interface CallRecord {
  readonly caller: number;
  readonly group: string;
  readonly turn: number;
  /** From the beginning of the measurement. */
  readonly sentMs: number;
  /** When each event with tokens came; the first is the time to first token. */
  readonly eventMs: readonly number[];
  /** Null: it was cut. */
  readonly endMs: number | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Of a call that was cut those that came. */
  readonly generatedTokens: number;
}

export interface LoadResult {
  readonly wallMs: number;
  /** CPU time of the client, to tell when it starves the server. */
  readonly clientCpuMs: number;
  /** The limit was reached. */
  readonly cut: boolean;
  readonly calls: readonly CallRecord[];
  /** Why calls failed, the first few; a measurement with failures does not count. */
  readonly failures: readonly string[];
}

export const greedyTurn = (ids: readonly number[], newTokenCount: number): Turn => ({
  thinkMs: 0,
  ids,
  newTokenCount,
  sampleCount: 1,
  sampling: "greedy",
});

export const caller = (turns: readonly Turn[], changes: Partial<Caller> = {}): Caller => ({
  group: "callers",
  startMs: 0,
  startAfterTokens: 0,
  turns,
  ...changes,
});
