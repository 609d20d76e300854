// How long the end of a run is waited for to be committed: no last byte leaves before it.

import { ServingError } from "@corral/contract";
import type { Clock } from "@corral/engine";
import type { ControlChannel } from "./control-channel.ts";

export interface CommitmentService {
  readonly channel: Pick<ControlChannel, "whenAcknowledged">;
  readonly clock: Clock;
  /** What the platform may take to commit the end of a run. */
  readonly acknowledgementMs: number;
}

/** Where a call's own time is over, its end may take this long to be committed all the same. */
const leastAcknowledgementMs = 1_000;

/** False where the platform takes too long; it may commit the report later all the same. */
export function isCommitted(
  { channel, clock, acknowledgementMs }: CommitmentService,
  number: number,
  deadlineAtMs: number | null,
): Promise<boolean> {
  const leftMs = deadlineAtMs === null ? Infinity : deadlineAtMs - clock.now();
  const limitMs = Math.min(acknowledgementMs, Math.max(leastAcknowledgementMs, leftMs));
  return new Promise((resolve) => {
    // The caller's connection keeps the process; a replica that has ended must not wait for what nobody will commit.
    const timer = setTimeout(() => resolve(false), limitMs).unref();
    channel.whenAcknowledged(number, () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

export function notCommitted(): ServingError {
  return new ServingError(
    "database_unavailable",
    "The run ended, but the database did not take its record in time. Look the run up before you call again.",
  );
}
