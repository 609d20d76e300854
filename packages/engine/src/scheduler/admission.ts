// Whether a group may join the queue: that it can fit at all, and that the queue has room. Pure.

import type { ErrorCode } from "@corral/contract";
import type { Group, GroupSpec } from "../group.ts";
import type { RetryLine } from "./retry-line.ts";

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
  retryLine: RetryLine,
  nowMs: number,
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
  if (spec.hasPlace === true) return { kind: "accepted" };
  const { maxWaitingGroupCount } = limits;
  const { owner, weight } = spec;
  const call = { owner, weight, content: contentOf(spec) };
  const retryAfterSeconds = retryLine.ask(call, maxWaitingGroupCount - waitingGroupCount, nowMs);
  if (retryAfterSeconds === null) return { kind: "accepted" };
  const others =
    waitingGroupCount < maxWaitingGroupCount ? ", and the places left are promised to others" : "";
  const detail =
    `${waitingGroupCount} generations are waiting, and ${maxWaitingGroupCount} may${others}. ` +
    `Try again in about ${Math.ceil(retryAfterSeconds)} s.`;
  return { kind: "rejected", code: "queue_full", detail, retryAfterSeconds };
}

/** The same for a call and its retry. Source of the hash: FNV-1a over ids, and a second one like it. */
function contentOf({ contexts, namespace, slotCount, cellCount }: GroupSpec): string {
  let [first, second] = [0x811c9dc5, 0xdeadbeef];
  for (const ids of contexts) {
    for (const id of ids) {
      first = Math.imul(first ^ id, 0x01000193);
      second = Math.imul(second ^ id ^ (first >>> 7), 0x85ebca6b);
    }
  }
  return `${namespace} ${slotCount} ${cellCount} ${first} ${second}`;
}

function rejected(code: ErrorCode, detail: string): Admissibility {
  return { kind: "rejected", code, detail, retryAfterSeconds: null };
}
