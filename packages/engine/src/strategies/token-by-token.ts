// Greedy decoding and sampling: each returned row is a sequence of its own and goes on by one token a step, or by several
// where a draft of them proves right. The prompt is computed once; the other rows fork from the first, at its last row.
// Under guidance each row has a second sequence, which takes the same tokens after another context.
// Source: transformers 5.23.0, generation/utils.py, _sample and _assisted_decoding.

import type { FinishReason } from "@corral/contract";
import type { StepOutputs } from "../model-runner.ts";
import type { RecordedToken } from "../recorded-token.ts";
import type { GroupOutcome } from "../scheduler/outcome.ts";
import type { ReadySequence } from "../scheduler/scheduled-step.ts";
import type { StoppingCriterion } from "../stopping/criterion.ts";
import { finishReasonOf } from "../stopping/finish-reason.ts";
import type { DraftCounts } from "./draft-counts.ts";
import { noTokenPossible } from "./no-token-possible.ts";
import { rowAdvances, rowForks, type RowChoice } from "./row-choice.ts";
import type { ScoreRecorder } from "./score-recorder.ts";
import type { DecodingStrategy, StepConditions } from "./strategy.ts";

/** Chooses from the scores of one sequence: processed once, then picked from for each row that goes on from there. */
export interface TokenPicker {
  /** `tokens` are all ids of the sequence, prompt included. */
  process(tokens: readonly number[]): void;
  /** The id for a row's next position, or null where no token is possible. */
  pick(row: number, position: number): number | null;
}

/** Guesses what comes next, so that several tokens can be verified in one step. The ids are the same without it. */
export interface TokenDrafter {
  /**
   * Ids that may follow `tokens`, prompt included, of which the last `newTokenCount` were chosen in this step for the
   * row; none where verifying them would not pay. They and one more token never exceed the row's greatest length.
   */
  draft(
    row: number,
    tokens: readonly number[],
    newTokenCount: number,
    conditions: StepConditions,
  ): readonly number[] | Promise<readonly number[]>;
  /** How many drafted tokens were verified for a row in this step, and how many of them were right. */
  verified?(draftedCount: number, acceptedCount: number): void;
  /** The generation is over: what it holds is given back. */
  end?(): void;
}

export interface TokenByTokenOptions {
  readonly rowCount: number;
  readonly picker: TokenPicker;
  readonly criteria: readonly StoppingCriterion[];
  /** Where the picker looks for scores: shape `[vocabSize]`; contents undefined before and after a call. */
  readonly scores: Float32Array;
  /** Null: nothing is recorded. */
  readonly recorder: ScoreRecorder | null;
  /** Where the picker looks for the logits of the unconditional context, as in `scores`; null: there is one context. */
  readonly unconditionalScores: Float32Array | null;
  /** Null: one token a step. */
  readonly drafter: TokenDrafter | null;
  readonly draftCounts: DraftCounts;
}

/** The sequence of row i has the id i; under guidance 2i, and 2i + 1 the unconditional one. At first only row 0 lives. */
export function createTokenByTokenStrategy(options: TokenByTokenOptions): DecodingStrategy {
  const { drafter } = options;
  const sequencesPerRow = options.unconditionalScores === null ? 1 : 2;
  const allRows = Array.from({ length: options.rowCount }, (_, row) => row);
  let isFirstStep = true;
  return {
    choose({ sequences, admittedAtMs }, outputs, conditions): GroupOutcome | Promise<GroupOutcome> {
      const choices: Omit<RowChoice, "draft">[] = [];
      const drafts: (readonly number[] | Promise<readonly number[]>)[] = [];
      for (let first = 0; first < sequences.length; first += sequencesPerRow) {
        const own = sequences.slice(first, first + sequencesPerRow);
        const [main] = own;
        if (main === undefined) continue;
        const rows = isFirstStep ? allRows : [main.id / sequencesPerRow];
        const continuations = continueRows(options, own, rows, outputs, conditions.nowMs - admittedAtMs);
        for (const { row, tokens, recorded, reason } of continuations) {
          if (reason === "impossible") {
            const logits = own.map(({ firstRow }) => outputs.logits(firstRow));
            return noTokenPossible(row, main.firstPosition + tokens.length + 1, logits);
          }
          if (main.rowCount > 1) {
            const acceptedCount = acceptedTokenCount(main, tokens);
            options.draftCounts.count(main.rowCount - 1, acceptedCount);
            drafter?.verified?.(main.rowCount - 1, acceptedCount);
          }
          const known = drafter === null || reason !== null ? null : knownIds(main, tokens);
          drafts.push(known === null ? [] : (drafter?.draft(row, known, tokens.length, conditions) ?? []));
          const sources = own.map(({ id, tokens: { length }, firstPosition }, index) => ({
            id,
            target: row * sequencesPerRow + index,
            knownLength: length,
            keptLength: firstPosition + tokens.length,
          }));
          choices.push({ row, sources, tokens, recorded, reason });
        }
      }
      isFirstStep = false;
      if (isEachKnown(drafts)) return advance(choices, drafts);
      const waiting = drafts.map((draft) => Promise.resolve(draft));
      return Promise.all(waiting).then((all) => advance(choices, all));
    },
    ...(drafter?.end === undefined ? {} : { end: () => drafter.end?.() }),
  };
}

function isEachKnown(
  drafts: readonly (readonly number[] | Promise<readonly number[]>)[],
): drafts is readonly (readonly number[])[] {
  return drafts.every((draft) => !(draft instanceof Promise));
}

/** Forks come first: they copy the source before it takes its own token or is retired. */
function advance(
  choices: readonly Omit<RowChoice, "draft">[],
  drafts: readonly (readonly number[])[],
): GroupOutcome {
  const whole = choices.map((choice, index): RowChoice => ({ ...choice, draft: drafts[index] ?? [] }));
  return { kind: "advance", outcomes: [...whole.flatMap(rowForks), ...whole.flatMap(rowAdvances)] };
}

interface Continuation {
  readonly row: number;
  readonly tokens: number[];
  readonly recorded: RecordedToken[];
  reason: FinishReason | "impossible" | null;
}

/**
 * What comes next in each of `rows`, which go on from the same sequences: one token, or as many as were drafted and
 * chosen alike, and one more. Only a lone row has a draft.
 */
function continueRows(
  { picker, criteria, scores, recorder, unconditionalScores }: TokenByTokenOptions,
  sequences: readonly ReadySequence[],
  rows: readonly number[],
  outputs: StepOutputs,
  elapsedMs: number,
): readonly Continuation[] {
  const continuations = rows.map((row): Continuation => ({ row, tokens: [], recorded: [], reason: null }));
  const [main, free] = sequences;
  if (main === undefined) return continuations;
  for (let index = 0; index < main.rowCount; index++) {
    const tokens = main.rowCount === 1 ? main.tokens : main.tokens.slice(0, main.firstPosition + 1 + index);
    const logits = outputs.logits(main.firstRow + index);
    scores.set(logits);
    if (free !== undefined) unconditionalScores?.set(outputs.logits(free.firstRow + index));
    picker.process(tokens);
    const picked: number[] = [];
    for (const continuation of continuations) {
      const token = picker.pick(continuation.row, tokens.length);
      if (token === null) {
        // After drafted tokens it comes out in the next step, when they have been given to the caller.
        if (index === 0) continuation.reason = "impossible";
        return continuations;
      }
      picked.push(token);
      continuation.tokens.push(token);
      continuation.reason = finishReasonOf(criteria, tokens, token, elapsedMs);
    }
    for (const [place, token] of recorder?.record(picked, logits).entries() ?? [])
      continuations[place]?.recorded.push(token);
    const drafted = main.tokens[main.firstPosition + 1 + index];
    if (continuations.some((one) => one.reason !== null || one.tokens.at(-1) !== drafted)) break;
  }
  return continuations;
}

/** The last row follows the last drafted id. */
function acceptedTokenCount(
  { tokens, firstPosition, rowCount }: ReadySequence,
  chosen: readonly number[],
): number {
  const drafted = tokens.slice(firstPosition + 1, firstPosition + rowCount);
  const wrong = drafted.findIndex((id, index) => chosen[index] !== id);
  return wrong < 0 ? drafted.length : wrong;
}

/** All ids of a row with those that were just chosen for it. */
function knownIds({ tokens, firstPosition }: ReadySequence, chosen: readonly number[]): readonly number[] {
  return [...tokens.slice(0, firstPosition + 1), ...chosen];
}
