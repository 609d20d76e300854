// Port: one reason for a sequence to end.

import type { FinishReason } from "@corral/contract";

export interface StoppingCriterion {
  readonly reason: FinishReason;
  /**
   * Whether the sequence `tokens`, prompt included, ends when `token` is appended to it, `elapsedMs` after its
   * generation was admitted.
   */
  isMet(tokens: readonly number[], token: number, elapsedMs: number): boolean;
}
