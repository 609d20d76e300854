// Progress of one stage as messages: never backwards, at most five a second but the first and the last, with a rate
// over the last seconds.

import type { PreparationMessage, WeightsProgress, WeightsStage } from "@corral/contract";

/** Rate and remaining time are measured here unless they are given. */
export type ReportProgress = (
  doneBytes: number,
  totalBytes: number | null,
  measured?: Pick<WeightsProgress, "bytes_per_second" | "eta_seconds">,
) => void;

const intervalMs = 200;
const rateWindowMs = 5_000;

/** @param now in milliseconds */
export function createStageProgress(
  stage: WeightsStage,
  send: (message: PreparationMessage) => void,
  now: () => number,
): ReportProgress {
  const samples: { readonly at: number; readonly doneBytes: number }[] = [];
  let reportedBytes = -1;
  let reportedAt = -Infinity;
  return (doneBytes, totalBytes, measured) => {
    const at = now();
    if (doneBytes < reportedBytes) return;
    const isLast = doneBytes === totalBytes && doneBytes !== reportedBytes;
    if (at - reportedAt < intervalMs && !isLast) return;
    reportedBytes = doneBytes;
    reportedAt = at;
    samples.push({ at, doneBytes });
    while (samples.length > 2 && at - (samples[0]?.at ?? at) > rateWindowMs) samples.shift();
    send({
      kind: "progress",
      stage,
      progress: {
        done_bytes: doneBytes,
        total_bytes: totalBytes,
        ...(measured ?? measure(samples, totalBytes)),
      },
    });
  };
}

function measure(
  samples: readonly { readonly at: number; readonly doneBytes: number }[],
  totalBytes: number | null,
): Pick<WeightsProgress, "bytes_per_second" | "eta_seconds"> {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at === first.at) {
    return { bytes_per_second: null, eta_seconds: null };
  }
  const bytesPerSecond = ((last.doneBytes - first.doneBytes) * 1_000) / (last.at - first.at);
  const isKnown = totalBytes !== null && bytesPerSecond > 0;
  return {
    bytes_per_second: bytesPerSecond,
    eta_seconds: isKnown ? (totalBytes - last.doneBytes) / bytesPerSecond : null,
  };
}
