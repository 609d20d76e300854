// Greedy decoding and sampling: each returned row is a sequence of its own and takes one token a step.
// The prompt is computed once; the other sequences fork from the first one, at its last row.
// Source: transformers 5.23.0, generation/utils.py, _sample.

import type { FinishReason } from "@corral/contract";
import type { GroupOutcome, Outcome } from "../scheduler/outcome.ts";
import type { StoppingCriterion } from "../stopping/criterion.ts";
import { finishReasonOf } from "../stopping/finish-reason.ts";
import type { DecodingStrategy } from "./strategy.ts";

/** Chooses from the scores of one sequence: processed once, then picked from for each row that goes on from there. */
export interface TokenPicker {
  /** `tokens` are all ids of the sequence, prompt included. */
  process(tokens: readonly number[]): void;
  /** The id for a row's next position, or null where no token is possible. */
  pick(row: number, position: number): number | null;
}

export interface TokenByTokenOptions {
  readonly rowCount: number;
  readonly picker: TokenPicker;
  readonly criteria: readonly StoppingCriterion[];
  /** Where the picker looks for scores: shape `[vocabSize]`; contents undefined before and after a call. */
  readonly scores: Float32Array;
}

/** The sequence of row i has the id i; at the first step only sequence 0 lives. */
export function createTokenByTokenStrategy(options: TokenByTokenOptions): DecodingStrategy {
  const { picker, criteria, scores } = options;
  const allRows = Array.from({ length: options.rowCount }, (_, row) => row);
  let isFirstStep = true;
  return {
    choose(group, outputs, nowMs): GroupOutcome {
      const elapsedMs = nowMs - group.admittedAtMs;
      const choices: Choice[] = [];
      for (const sequence of group.sequences) {
        scores.set(outputs.logits(sequence.firstRow + sequence.rowCount - 1));
        picker.process(sequence.tokens);
        for (const row of isFirstStep ? allRows : [sequence.id]) {
          const token = picker.pick(row, sequence.tokens.length);
          if (token === null) return noTokenPossible(row, sequence.tokens.length);
          const reason = finishReasonOf(criteria, sequence.tokens, token, elapsedMs);
          choices.push({ source: sequence.id, row, token, reason });
        }
      }
      isFirstStep = false;
      // Forks come first: they copy the source before it takes its own token or is retired.
      return { kind: "advance", outcomes: [...choices.flatMap(fork), ...choices.flatMap(advance)] };
    },
  };
}

interface Choice {
  readonly source: number;
  readonly row: number;
  readonly token: number;
  readonly reason: FinishReason | null;
}

/** A row that ends with its very first token needs no sequence of its own. */
function fork({ source, row, reason }: Choice): Outcome[] {
  return row === source || reason !== null ? [] : [{ kind: "fork", source, target: row }];
}

function advance({ source, row, token, reason }: Choice): Outcome[] {
  const emit: Outcome = { kind: "emit", row, tokens: [token] };
  if (reason === null) return [{ kind: "append", sequence: row, tokens: [token] }, emit];
  const finish: Outcome = { kind: "finish", row, reason };
  return row === source ? [{ kind: "retire", sequence: row }, emit, finish] : [emit, finish];
}

function noTokenPossible(row: number, position: number): GroupOutcome {
  return {
    kind: "fail",
    code: "no_token_possible",
    detail:
      `Sequence ${row} has no possible token at position ${position}: every score is -Infinity, ` +
      "or the model gave a value that is not a number.",
  };
}
