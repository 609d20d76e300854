// Room for the scores that generations record: taken at submission for the worst case, given back at the end.

import { ServingError } from "@corral/contract";
import { recordedByteCount } from "./strategies/score-recorder.ts";
import type { GenerationSettings } from "./valid-generation.ts";

export interface RecordedBudget {
  /**
   * Throws `invalid_parameter` where the generation's scores could never be kept, and `queue_full` where they cannot
   * beside those of others; not the latter for one that has its place (`hasPlace`).
   */
  check(generation: GenerationSettings, hasPlace: boolean): void;
  take(id: string, generation: GenerationSettings): void;
  give(id: string): void;
}

/** `maxBytes`: of all that is under way together. */
export function createRecordedBudget(maxBytes: number, vocabSize: number): RecordedBudget {
  /** Those that record nothing are not there. */
  const taken = new Map<string, number>();
  return {
    check(generation, hasPlace) {
      const bytes = recordedByteCount(generation, vocabSize);
      if (bytes > maxBytes) {
        throw new ServingError(
          "invalid_parameter",
          `The scores of all steps would take up to ${bytes} bytes, and ${maxBytes} may be kept. Ask for fewer new ` +
            "tokens or sequences, or for the best few of each row.",
        );
      }
      const used = taken.values().reduce((sum, other) => sum + other, 0);
      if (bytes === 0 || hasPlace || used + bytes <= maxBytes) return;
      const detail = `${bytes} bytes for recorded scores are not free: ${used} of ${maxBytes} are in use.`;
      throw new ServingError("queue_full", detail, { retryAfterSeconds: 1 });
    },
    take(id, generation) {
      const bytes = recordedByteCount(generation, vocabSize);
      if (bytes > 0) taken.set(id, bytes);
    },
    give: (id) => void taken.delete(id),
  };
}
