// How far a download is, how fast it goes and when it will be done. Pure: time is an argument.

/** Times are milliseconds of one clock, sizes bytes. */
export interface ProgressState {
  readonly totalBytes: number;
  /** Never falls, even where bytes have to be fetched again. */
  readonly doneBytes: number;
  /** Received since the start, without what lay there before. */
  readonly receivedBytes: number;
  /** Oldest first; the last few seconds. */
  readonly samples: readonly { readonly atMs: number; readonly receivedBytes: number }[];
}

export interface ProgressReport {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number | null;
  readonly etaSeconds: number | null;
}

/** The rate is the mean over this window; older samples are dropped. */
const windowMs = 10_000;
/** A rate is told once samples are this far apart. */
const shortestMs = 200;

export function startProgress(totalBytes: number, doneBytes: number, nowMs: number): ProgressState {
  return { totalBytes, doneBytes, receivedBytes: 0, samples: [{ atMs: nowMs, receivedBytes: 0 }] };
}

/** `doneBytes` is what is there now, `receivedBytes` what has come over the wire since the last call. */
export function advanceProgress(
  state: ProgressState,
  doneBytes: number,
  receivedBytes: number,
  nowMs: number,
): ProgressState {
  const received = state.receivedBytes + receivedBytes;
  const last = state.samples.at(-1);
  // One sample in a tenth of a second is enough; the newest instant is kept in the state's own count.
  const kept =
    last !== undefined && nowMs - last.atMs < 100
      ? state.samples
      : [...state.samples, { atMs: nowMs, receivedBytes: received }];
  const firstKept = kept.findIndex((sample) => nowMs - sample.atMs <= windowMs);
  return {
    totalBytes: state.totalBytes,
    doneBytes: Math.min(state.totalBytes, Math.max(state.doneBytes, doneBytes)),
    receivedBytes: received,
    samples: firstKept < 0 ? kept.slice(-1) : kept.slice(firstKept),
  };
}

export function reportProgress(state: ProgressState, nowMs: number): ProgressReport {
  const first = state.samples[0];
  const elapsedMs = first === undefined ? 0 : nowMs - first.atMs;
  const rate =
    first === undefined || elapsedMs < shortestMs
      ? null
      : ((state.receivedBytes - first.receivedBytes) * 1000) / elapsedMs;
  const left = state.totalBytes - state.doneBytes;
  return {
    doneBytes: state.doneBytes,
    totalBytes: state.totalBytes,
    bytesPerSecond: rate,
    etaSeconds: left === 0 ? 0 : rate === null || rate === 0 ? null : left / rate,
  };
}
