// A text as one vector: hidden states after the model's last norm, pooled over its positions.

import type { EmbeddedText, Pooling } from "../evaluation.ts";
import type { TextEvaluation } from "./text-evaluation.ts";

/** As `torch.nn.functional.normalize`: a shorter vector is divided by this. */
const shortestLength = 1e-12;

/** `ids`: at least one. Sums are of doubles. */
export function createTextEmbedding(
  ids: readonly number[],
  pooling: Pooling,
  normalize: boolean,
): TextEvaluation {
  let sum: Float64Array | null = null;
  return {
    // The first state does not depend on what comes after it: attention looks back only.
    context: pooling === "cls" ? ids.slice(0, 1) : ids,
    outputs: { kind: "embedding", everyPosition: pooling === "mean" },
    take({ firstRow, rowCount }, outputs) {
      for (let row = 0; row < rowCount; row++) {
        const state = outputs.embedding(firstRow + row);
        sum ??= new Float64Array(state.length);
        for (let index = 0; index < state.length; index++) sum[index] = sum[index]! + state[index]!;
      }
      return sum === null || sum.every(Number.isFinite);
    },
    // Only a last state can be had from the end of a known prefix; other texts would only push out what is useful.
    keepsPrefix: pooling === "last",
    output(): EmbeddedText {
      const states = sum ?? new Float64Array();
      const mean = pooling === "mean" ? states.map((value) => value / ids.length) : states;
      const squares = mean.reduce((total, value) => total + value * value, 0);
      const length = Math.max(Math.sqrt(squares), shortestLength);
      return {
        kind: "embedding",
        vector: Float32Array.from(normalize ? mean.map((value) => value / length) : mean),
      };
    },
  };
}
