// Whether a group may join the queue: that it can fit at all, and that the queue has room. Pure.

import type { ErrorCode } from "@corral/contract";
import type { Group, GroupSpec } from "../group.ts";

export type Admissibility =
  | { readonly kind: "accepted" }
  | {
      readonly kind: "rejected";
      readonly code: ErrorCode;
      readonly detail: string;
      /** For `queue_full`: when a place is likely to be free. */
      readonly retryAfterSeconds: number | null;
    };

export interface AdmissionLimits {
  /** At most `stepTokenBudget`, so that every running sequence can take a token in every step. */
  readonly slotCount: number;
  readonly cellCount: number;
  /** Most tokens of a step. */
  readonly stepTokenBudget: number;
  /** Most groups that wait; one more is rejected. */
  readonly maxWaitingGroupCount: number;
}

export function checkAdmissible(
  spec: GroupSpec,
  limits: AdmissionLimits,
  backlog: readonly Group[],
  waitingGroupCount: number,
  nextPlaceSeconds: () => number,
): Admissibility {
  if (backlog.some((group) => group.spec.id === spec.id)) {
    return rejected("engine_misuse", `A generation with the id ${spec.id} is queued or running already.`);
  }
  if (spec.contexts.length === 0 || spec.contexts.some((context) => context.length === 0)) {
    return rejected("engine_misuse", "A generation needs a prompt of at least one token.");
  }
  if (spec.slotCount > limits.slotCount || spec.contexts.length > spec.slotCount) {
    return rejected(
      "out_of_cells",
      `The generation needs ${spec.slotCount} sequences at once; the engine has ${limits.slotCount}. Ask for fewer.`,
    );
  }
  if (spec.cellCount > limits.cellCount) {
    return rejected(
      "out_of_cells",
      `The generation needs up to ${spec.cellCount} cells of the KV cache, which has ${limits.cellCount}. ` +
        "Ask for fewer new tokens or fewer sequences.",
    );
  }
  if (waitingGroupCount >= limits.maxWaitingGroupCount && spec.hasPlace !== true) {
    const retryAfterSeconds = nextPlaceSeconds();
    const detail =
      `${waitingGroupCount} generations are waiting, and ${limits.maxWaitingGroupCount} may. ` +
      `Try again in about ${Math.ceil(retryAfterSeconds)} s.`;
    return { kind: "rejected", code: "queue_full", detail, retryAfterSeconds };
  }
  return { kind: "accepted" };
}

function rejected(code: ErrorCode, detail: string): Admissibility {
  return { kind: "rejected", code, detail, retryAfterSeconds: null };
}
