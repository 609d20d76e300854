// Makes every score a finite number.

import { greatestFloat32 } from "./float32.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * NaN becomes 0, an infinity the float32 number nearest to it: a banned token, too, whose probability still is 0 beside
 * any other. Source: transformers 5.23.0, logits_process.py, InfNanRemoveLogitsProcessor.
 */
export function createRemoveInvalidValues(): LogitsProcessor {
  return {
    name: "remove_invalid_values",
    process(scores) {
      for (let id = 0; id < scores.length; id++) {
        const score = scores[id]!;
        if (Number.isFinite(score)) continue;
        if (Number.isNaN(score)) scores[id] = 0;
        else scores[id] = score > 0 ? greatestFloat32 : -greatestFloat32;
      }
    },
  };
}
