// A draft model as the strategy's drafter: drafts as many tokens as promise to pay, by what drafting and verifying have
// cost and by how often drafts were right.
// Source: transformers 5.23.0, generation/candidate_generator.py, AssistedCandidateGenerator; deviates in that the length
// is also bounded by cost, and in that the confidence threshold stays what was asked for.

import { attendedBetween } from "../scheduler/step-cost.ts";
import type { DraftModelSettings } from "../valid-generation.ts";
import { createAcceptance } from "./acceptance.ts";
import { draftLengthThatPays } from "./draft-length.ts";
import type { ChooseDraft, DraftModel, DraftSequence } from "./draft-model.ts";
import type { TokenDrafter } from "./token-by-token.ts";

export interface ModelDrafterOptions {
  readonly model: DraftModel;
  readonly settings: Pick<DraftModelSettings, "draftTokenCount" | "schedule">;
  readonly choose: ChooseDraft;
  /** Of a row, prompt included. */
  readonly maxLength: number;
  /** Of each row; a draft is verified in all of them. */
  readonly sequencesPerRow: number;
  /** Most rows that one sequence may want of a step. */
  readonly maxRowCount: number;
}

/** Who names a draft model expects it to be right more often than not. */
const expectedAcceptance = 0.8;
/** What is drafted where nothing was measured yet. */
const firstLength = 2;

/** For a generation of one row. */
export function createModelDrafter(options: ModelDrafterOptions): TokenDrafter {
  const { model, settings, choose, sequencesPerRow, maxRowCount } = options;
  const { draftTokenCount, schedule } = settings;
  const maxLength = Math.min(options.maxLength, model.contextLength);
  const acceptance = createAcceptance(expectedAcceptance);
  const beginning = draftTokenCount;
  let scheduledLength = schedule === "heuristic" ? model.learnedLength(beginning) : beginning;
  let sequence: DraftSequence | null = null;
  let drafted: readonly number[] = [];

  return {
    draft(_row, tokens, newTokenCount, { forecast }) {
      if (drafted.length > 0) acceptance.learn(drafted, tokens.slice(-newTokenCount));
      else acceptance.age();
      drafted = [];
      const { shape } = forecast;
      const known = tokens.length;
      const leftCount = options.maxLength - known;
      const mostCount = Math.min(scheduledLength, leftCount - 1, maxLength - known, maxRowCount - 1);
      if (mostCount < 1) return [];
      const computed = Math.min(sequence?.computedCount ?? 0, known - 1);
      const draftMs = (count: number): number | null => {
        const ms = model.predictMs(count, known, known - 1);
        const withMissing = model.predictMs(count, known, computed);
        if (ms === null || withMissing === null) return null;
        // What is computed once serves all tokens to come: this draft bears its part of it.
        return ms + (withMissing - ms) * Math.min(1, (count + 1) / leftCount);
      };
      const length =
        draftMs(1) === null
          ? Math.min(firstLength, mostCount)
          : draftLengthThatPays(mostCount, {
              tokenCount: shape.tokenCount,
              acceptance: acceptance.rate,
              stepMs: (count) => {
                const stepMs = forecast.predictMs({
                  tokenCount: shape.tokenCount + sequencesPerRow * count,
                  attendedCount:
                    shape.attendedCount + sequencesPerRow * attendedBetween(known, known + count),
                  rowCount: shape.rowCount + sequencesPerRow * count,
                });
                return stepMs === null || count === 0 ? stepMs : stepMs + (draftMs(count) ?? Infinity);
              },
            });
      if (length < 1) return [];
      sequence ??= model.open(maxLength);
      if (sequence === null) return [];
      return sequence.draft(tokens, length, choose).then((ids) => (drafted = ids));
    },
    verified(draftedCount, acceptedCount) {
      if (schedule === "constant") return;
      scheduledLength =
        acceptedCount === draftedCount ? scheduledLength + 2 : Math.max(1, scheduledLength - 1);
      if (schedule === "heuristic") model.learnLength(beginning, scheduledLength);
    },
    end() {
      sequence?.close();
      sequence = null;
    },
  };
}
