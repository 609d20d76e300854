// What evaluations of a given text have in common as strategies: rows are taken as they come, and when all were taken the
// sequence is done. Knows neither scores nor embeddings.

import type { EvaluationOutput } from "../evaluation.ts";
import type { GroupOutputs } from "../group.ts";
import type { StepOutputs } from "../model-runner.ts";
import type { ReadySequence } from "../scheduler/scheduled-step.ts";
import type { DecodingStrategy } from "./strategy.ts";

export interface TextEvaluation {
  /** What is computed: at least one id. */
  readonly context: readonly number[];
  readonly outputs: GroupOutputs;
  /** Takes the rows of a step, which go on where those before ended. False where they are no numbers. */
  take(sequence: ReadySequence, outputs: StepOutputs): boolean;
  /** Whether what was computed is worth keeping for others. */
  readonly keepsPrefix: boolean;
  /** To be called after the last rows were taken. */
  output(): EvaluationOutput;
}

export function createEvaluationStrategy(evaluation: TextEvaluation): DecodingStrategy {
  return {
    choose({ sequences }, outputs) {
      const [sequence] = sequences;
      if (sequence === undefined || !evaluation.take(sequence, outputs)) {
        return { kind: "fail", code: "decode_failed", detail: "The model gave values that are not numbers." };
      }
      const { id, tokens, firstPosition, rowCount } = sequence;
      if (firstPosition + rowCount < tokens.length) return { kind: "advance", outcomes: [] };
      return {
        kind: "advance",
        outcomes: [{ kind: evaluation.keepsPrefix ? "retire" : "release", sequence: id }],
      };
    },
  };
}
