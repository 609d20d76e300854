// Tells the caller how far a download of several files is, not too often.

import { advanceProgress, reportProgress, startProgress } from "./progress.ts";

/** `bytesPerSecond` and `etaSeconds` are null as long as nothing can be said. */
export type OnProgress = (
  doneBytes: number,
  totalBytes: number,
  bytesPerSecond: number | null,
  etaSeconds: number | null,
) => void;

export interface ProgressTeller {
  /** Of the file that is being fetched: how much of it is there, and what came over the wire since the last call. */
  readonly file: (doneBytes: number, receivedBytes: number) => void;
  /** The file is whole; the next one begins. */
  fileEnd(sizeBytes: number): void;
  end(): void;
}

const everyMs = 100;

export function progressTeller(
  totalBytes: number,
  presentBytes: number,
  now: () => number = () => performance.now(),
  onProgress: OnProgress = () => undefined,
): ProgressTeller {
  let state = startProgress(totalBytes, presentBytes, now());
  let before = presentBytes;
  let toldMs = Number.NEGATIVE_INFINITY;
  const tell = (atMs: number): void => {
    toldMs = atMs;
    const report = reportProgress(state, atMs);
    onProgress(report.doneBytes, report.totalBytes, report.bytesPerSecond, report.etaSeconds);
  };
  return {
    file(doneBytes, receivedBytes) {
      const atMs = now();
      state = advanceProgress(state, before + doneBytes, receivedBytes, atMs);
      if (atMs - toldMs >= everyMs) tell(atMs);
    },
    fileEnd(sizeBytes) {
      before += sizeBytes;
    },
    end() {
      const atMs = now();
      state = advanceProgress(state, totalBytes, 0, atMs);
      tell(atMs);
    },
  };
}
