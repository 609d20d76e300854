// Waiting until weights are ready, and showing how far they are. Used by `deploy`.

import { setTimeout as wait } from "node:timers/promises";
import { ServingError, weightsStages, type Weights } from "@corral/contract";
import type { Context } from "./command.ts";
import { byteText } from "./table.ts";

/**
 * Follows weights until they are ready. Fails with the platform's own code and reason where they fail. Interrupting it
 * leaves the platform at work, and says so.
 */
export async function followWeights(context: Context, asked: Weights): Promise<Weights> {
  if (asked.status === "ready") return asked;
  const { signal } = context;
  const client = context.client();
  const follow = async (update: (text: string) => void) => {
    const shown = createSteadyText();
    let current = asked;
    for (let delayMs = 100; current.status !== "ready"; delayMs = Math.min(1000, delayMs * 1.5)) {
      if (current.status === "failed" || current.status === "canceled") throw failureOf(current);
      update(shown(current));
      await wait(delayMs, undefined, { signal });
      current = await client.weights.get(asked.id, { signal });
    }
    return current;
  };
  try {
    const ready = await context.progress.step(
      `Preparing the weights of ${asked.source}`,
      follow,
      ({ source, bytes }) =>
        `The weights of ${source} are there${bytes === null ? "" : ` (${byteText(bytes)})`}`,
    );
    for (const warning of ready.warnings) context.note(`Warning: ${warning}`);
    return ready;
  } catch (error) {
    if (signal.aborted) {
      context.note(
        `The platform goes on preparing ${asked.source}: the same command picks it up, \`corral weights cancel ${asked.id}\` ends it.`,
      );
    }
    throw error;
  }
}

function failureOf({ id, source, status, detail, error_code }: Weights): ServingError {
  if (status === "canceled")
    return new ServingError("weights_missing", `The weights of ${source} (${id}) were canceled.`);
  return new ServingError(error_code ?? "internal", detail ?? `The weights of ${source} (${id}) failed.`);
}

/** "fetching 1.2 GB of 4.9 GB, 35.0 MB/s, 2 min left". */
export function progressText({ status, detail, progress }: Weights): string {
  if (status === "queued") return detail ?? "waiting for others that are being prepared";
  if (progress === null) return status;
  const { done_bytes, total_bytes, bytes_per_second, eta_seconds } = progress;
  return [
    `${status} ${byteText(done_bytes)}${total_bytes === null ? "" : ` of ${byteText(total_bytes)}`}`,
    ...(bytes_per_second === null || bytes_per_second === 0 ? [] : [`${byteText(bytes_per_second)}/s`]),
    ...(eta_seconds === null ? [] : [`${durationText(eta_seconds)} left`]),
  ].join(", ");
}

/** Answers may overtake each other: what was shown once is not taken back. */
function createSteadyText(): (current: Weights) => string {
  let best = { stage: -1, bytes: 0, text: "" };
  return (current) => {
    const stage = weightsStages.findIndex((name) => name === current.status);
    const bytes = current.progress?.done_bytes ?? 0;
    if (stage < 0) return progressText(current);
    if (stage < best.stage || (stage === best.stage && bytes < best.bytes)) return best.text;
    best = { stage, bytes, text: progressText(current) };
    return best.text;
  };
}

function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
