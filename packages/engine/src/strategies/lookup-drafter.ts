// Prompt lookup as the strategy's drafter: looks up after every step, learns how often that is right, and has verified
// what promises to pay.

import { attendedBetween } from "../scheduler/step-cost.ts";
import { createAcceptance } from "./acceptance.ts";
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

export function createLookupDrafter(options: LookupDrafterOptions): TokenDrafter {
  const { draftTokenCount, maxLength, sequencesPerRow, maxRowCount } = options;
  /** What was looked up for each row last; also what was not verified shows whether it was right. */
  const lookedUp = new Map<number, readonly number[]>();
  const acceptance = createAcceptance(0.5);

  return {
    draft(row, tokens, newTokenCount, { forecast }) {
      const { shape } = forecast;
      acceptance.learn(lookedUp.get(row) ?? [], tokens.slice(-newTokenCount));
      const mostCount = Math.min(draftTokenCount, maxLength - tokens.length - 1, maxRowCount - 1);
      const draft = lookUpDraft(tokens, { ...options, mostCount });
      lookedUp.set(row, draft);
      const length = draftLengthThatPays(draft.length, {
        tokenCount: shape.tokenCount,
        acceptance: acceptance.rate,
        stepMs: (count) =>
          forecast.predictMs({
            tokenCount: shape.tokenCount + sequencesPerRow * count,
            attendedCount:
              shape.attendedCount + sequencesPerRow * attendedBetween(tokens.length, tokens.length + count),
            rowCount: shape.rowCount + sequencesPerRow * count,
          }),
      });
      return draft.slice(0, length);
    },
  };
}
