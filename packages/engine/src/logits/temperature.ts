// Sharpens (below 1) or flattens (above 1) the distribution.

import { greatestFloat32, toPositiveFloat32 } from "./float32.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Divides every score. Source: transformers 5.23.0, logits_process.py, TemperatureLogitsWarper; deviates where a
 * quotient is beyond float32, which ends a generation there: the best score is then moved to 0 first, which leaves
 * the probabilities as they are.
 */
export function createTemperature(temperature: number): LogitsProcessor {
  const divisor = toPositiveFloat32(temperature);
  return {
    name: "temperature",
    process(scores) {
      let best = -Infinity;
      for (let id = 0; id < scores.length; id++) if (scores[id]! > best) best = scores[id]!;
      const isBeyond = Number.isFinite(best) && Math.abs(best) / divisor > greatestFloat32;
      const shift = isBeyond ? best : 0;
      for (let id = 0; id < scores.length; id++) scores[id] = (scores[id]! - shift) / divisor;
    },
  };
}
