// The runs of this replica from submission to their end, and the reports about them. Every run that was begun gets
// exactly one `finished`. Knows nothing of HTTP.

import {
  progressReportMs,
  progressReportTokens,
  type Dialect,
  type FinishReason,
  type ReportBody,
  type Timings,
  type Usage,
  type WholeAnswer,
} from "@corral/contract";
import type { GenerationHandle, GenerationResult, GenerationUsage } from "@corral/engine";
import type { ForwardedCall } from "./call-headers.ts";
import { RunTextBuffer } from "./run-text.ts";

/** What the ledger asks of whatever a run does in the engine. */
export type RunHandle = Pick<GenerationHandle, "usage" | "abort">;

export interface RunResult extends Pick<GenerationResult, "usage" | "error"> {
  /** None where nothing was to be generated. */
  readonly sequences: readonly { readonly finishReason: FinishReason }[];
}

export interface RunStart<Handle extends RunHandle = RunHandle> {
  readonly runId: string;
  readonly projectId: string;
  readonly keyId: string | null;
  readonly dialect: Dialect;
  /** Milliseconds since the epoch; null: not known. */
  readonly arrivedAtMs: number | null;
  readonly promptTokenCount: number;
  readonly sequenceCount: number;
  readonly handle: Handle;
  /** False: its output is not kept. */
  readonly isStored: boolean;
  /** Its text is reported as it comes. Default false. */
  readonly isFollowed?: boolean;
  /** What the generation was set to, by wire names. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** What the gateway says of a call, as its run begins. */
export function startOf(forwarded: ForwardedCall) {
  const { runId, projectId, keyId, dialect, arrivedAtMs, isStored } = forwarded;
  return { runId, projectId, keyId, dialect, arrivedAtMs, isStored };
}

export interface ActiveRun<Handle extends RunHandle = RunHandle> extends RunStart<Handle> {
  /** The caller's connection ended first. */
  callerLeft: boolean;
  reportedFirstToken: boolean;
  reportedTokens: number;
  /** Null: its text is not reported. */
  readonly text: RunTextBuffer | null;
}

export interface LedgerChannel {
  report(body: ReportBody, isUnhurried?: boolean): number;
  readonly unacknowledgedCount: number;
}

/** Of a call while it is answered. */
export interface CallWatch extends Disposable {
  /** Whether its run was begun, or is to be. */
  readonly hasBegun: boolean;
}

class WatchedCall implements CallWatch {
  hasBegun = false;
  readonly #runId: string;
  readonly #all: Map<string, WatchedCall>;

  constructor(runId: string, all: Map<string, WatchedCall>) {
    this.#runId = runId;
    this.#all = all;
  }

  [Symbol.dispose](): void {
    if (this.#all.get(this.#runId) === this) this.#all.delete(this.#runId);
  }
}

/** So many runs are remembered that were to end before they began. */
const mostForeseen = 1_000;
/** Above this backlog only what a run's record cannot do without is reported. */
const longestBacklog = 1_000;

export class RunLedger {
  readonly #channel: LedgerChannel;
  readonly #active = new Map<string, ActiveRun>();
  /** Calls that are being answered, by their runs. */
  readonly #watched = new Map<string, WatchedCall>();
  /** Runs that were to end and had not begun here: their bodies may be on their way. */
  readonly #foreseen = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(channel: LedgerChannel) {
    this.#channel = channel;
  }

  get activeCount(): number {
    return this.#active.size;
  }

  /** To be called before anything is done for a call. */
  watch(runId: string): CallWatch {
    const watched = new WatchedCall(runId, this.#watched);
    this.#watched.set(runId, watched);
    return watched;
  }

  begin<Handle extends RunHandle>(start: RunStart<Handle>): ActiveRun<Handle> {
    const run: ActiveRun<Handle> = {
      ...start,
      callerLeft: false,
      reportedFirstToken: false,
      reportedTokens: 0,
      text: start.isFollowed === true && start.isStored ? new RunTextBuffer() : null,
    };
    this.#active.set(run.runId, run);
    const watched = this.#watched.get(run.runId);
    if (watched !== undefined) watched.hasBegun = true;
    const started: ReportBody = {
      kind: "started",
      run_id: run.runId,
      project_id: run.projectId,
      key_id: run.keyId,
      dialect: run.dialect,
      prompt_tokens: run.promptTokenCount,
      sequence_count: run.sequenceCount,
      ...(run.arrivedAtMs === null ? {} : { arrived_ms: Math.round(run.arrivedAtMs) }),
      ...(run.isStored ? {} : { stored: false }),
      ...(run.text === null ? {} : { follows_text: true }),
      // Stop strings and their like are the caller's own words.
      ...(run.parameters === undefined || !run.isStored ? {} : { parameters: run.parameters }),
    };
    this.#channel.report(started, true);
    // Ticks twice within the time that a report may be old.
    this.#timer ??= setInterval(() => this.#reportAll(), progressReportMs / 2).unref();
    if (this.#foreseen.delete(run.runId)) run.handle.abort();
    return run;
  }

  /** To be called with each piece of text: reports the first token, and progress once enough tokens came. */
  advance(run: ActiveRun, nowMs: number): void {
    if (!run.reportedFirstToken) {
      run.reportedFirstToken = true;
      // Nobody waits for it, and a short run goes on to its end within that time.
      this.#channel.report({ kind: "first_token", run_id: run.runId, at_ms: Math.round(nowMs) }, true);
    }
    const isDue = run.handle.usage.generatedTokenCount - run.reportedTokens >= progressReportTokens;
    if (isDue && this.#channel.unacknowledgedCount <= longestBacklog) this.#reportProgress(run);
  }

  /**
   * Text that is sent, or would be: reported with the run's progress. Gives where it ends in the run's text; null where
   * that is not kept.
   */
  addText(run: ActiveRun, text: string, prompt = 0, sequence = 0): number | null {
    return run.text?.add(prompt, sequence, text) ?? null;
  }

  /** Ends the run; gives the number of its last report. */
  finish(
    run: ActiveRun,
    result: RunResult,
    output: unknown,
    timings: Timings,
    answer: WholeAnswer | null = null,
  ): number {
    if (run.text?.hasMore === true) this.#reportProgress(run);
    this.#active.delete(run.runId);
    if (this.#active.size === 0) {
      clearInterval(this.#timer ?? undefined);
      this.#timer = null;
    }
    const { error } = result;
    const status = error === null ? "succeeded" : error.code === "aborted" ? "canceled" : "failed";
    const code = status === "canceled" && run.callerLeft ? "client_closed" : (error?.code ?? null);
    return this.#channel.report({
      kind: "finished",
      run_id: run.runId,
      status,
      finish_reasons: result.sequences.map(({ finishReason }) => finishReason),
      output: status === "succeeded" && run.isStored ? output : null,
      error: error === null || code === null ? null : { code, detail: error.message },
      usage: usageOnWire(result.usage),
      timings_ms: timings,
      ...(answer === null || status !== "succeeded" ? {} : { answer }),
    });
  }

  /** False where no such run is active; one that begins later is ended then. */
  cancel(runId: string): boolean {
    const run = this.#active.get(runId);
    if (run === undefined) this.#foresee(runId);
    else run.handle.abort();
    return run !== undefined;
  }

  #foresee(runId: string): void {
    this.#foreseen.add(runId);
    const [oldest] = this.#foreseen;
    if (this.#foreseen.size > mostForeseen && oldest !== undefined) this.#foreseen.delete(oldest);
  }

  abortAll(): void {
    for (const run of this.#active.values()) run.handle.abort();
  }

  #reportAll(): void {
    for (const run of this.#active.values()) {
      const hasNews = run.handle.usage.generatedTokenCount > run.reportedTokens || run.text?.hasMore === true;
      if (hasNews && this.#channel.unacknowledgedCount <= longestBacklog) this.#reportProgress(run);
    }
  }

  #reportProgress(run: ActiveRun): void {
    const { prompt_tokens, cached_tokens, generated_tokens } = usageOnWire(run.handle.usage);
    run.reportedTokens = generated_tokens;
    const text = run.text?.take() ?? null;
    this.#channel.report({
      kind: "progress",
      run_id: run.runId,
      prompt_tokens,
      cached_tokens,
      generated_tokens,
      ...(text === null ? {} : { text }),
    });
  }
}

export function usageOnWire(usage: GenerationUsage): Usage {
  return {
    prompt_tokens: usage.promptTokenCount,
    cached_tokens: usage.cachedTokenCount,
    generated_tokens: usage.generatedTokenCount,
  };
}
