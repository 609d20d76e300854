// Prompt lookup as the strategy's drafter: looks up after every step, learns how often that is right, and has verified
// what promises to pay.

import { attendedBetween } from "../scheduler/step-cost.ts";
import { draftLengthThatPays } from "./draft-length.ts";
import { lookUpDraft } from "./prompt-lookup.ts";
import type { TokenDrafter } from "./token-by-token.ts";

export interface LookupDrafterOptions {
  readonly maxNgramSize: number;
  /** Most ids of a draft. */
  readonly draftTokenCount: number;
  readonly endTokenIds: readonly number[];
  /** Of a row, prompt included. */
  readonly maxLength: number;
  /** Of each row; a draft is verified in all of them. */
  readonly sequencesPerRow: number;
  /** Most rows that one sequence may want of a step. */
  readonly maxRowCount: number;
}

/** The weight of what was seen before when one more draft was tried: the last twenty or so count. */
const memory = 0.95;

export function createLookupDrafter(options: LookupDrafterOptions): TokenDrafter {
  const { draftTokenCount, maxLength, sequencesPerRow, maxRowCount } = options;
  /** What was looked up for each row last; also what was not verified shows whether it was right. */
  const lookedUp = new Map<number, readonly number[]>();
  // As if one of two had been right.
  let rightCount = 1;
  let triedCount = 2;

  function learn(draft: readonly number[], chosen: readonly number[]): void {
    rightCount *= memory;
    triedCount *= memory;
    for (const [index, id] of draft.slice(0, chosen.length).entries()) {
      triedCount += 1;
      if (chosen[index] !== id) return;
      rightCount += 1;
    }
  }

  return {
    draft(row, tokens, newTokenCount, { forecast }) {
      const { shape } = forecast;
      learn(lookedUp.get(row) ?? [], tokens.slice(-newTokenCount));
      const mostCount = Math.min(draftTokenCount, maxLength - tokens.length - 1, maxRowCount - 1);
      const draft = lookUpDraft(tokens, { ...options, mostCount });
      lookedUp.set(row, draft);
      const length = draftLengthThatPays(draft.length, {
        tokenCount: shape.tokenCount,
        acceptance: rightCount / triedCount,
        stepMs: (count) =>
          forecast.predictMs({
            tokenCount: shape.tokenCount + sequencesPerRow * count,
            attendedCount:
              shape.attendedCount + sequencesPerRow * attendedBetween(tokens.length, tokens.length + count),
          }),
      });
      return draft.slice(0, length);
    },
  };
}
