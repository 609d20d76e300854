// Keeps what a caller wants to see of the scores behind each token, and says beforehand how much that may be.

import { topScoresOf, type ScoredToken } from "../logits/top-scores.ts";
import type { SelectionKernels } from "../logits/selection-kernels.ts";
import type { RecordedRow, RecordedToken, TopScores } from "../recorded-token.ts";
import { sequenceCountOf, type GenerationSettings, type RecordedScores } from "../valid-generation.ts";

type RecordingSettings = Pick<GenerationSettings, "outputScores" | "outputLogits" | "logprobCount">;

export interface ScoreRecorder {
  /**
   * What is kept of one position for each of the ids that were picked there. The kernels' row must be as it was when
   * they were picked, and is undefined afterwards; `logits` is the model's row.
   */
  record(picked: readonly number[], logits: Float32Array): RecordedToken[];
}

/** Null where nothing is to be kept. */
export function createScoreRecorder(
  settings: RecordingSettings,
  kernels: SelectionKernels,
): ScoreRecorder | null {
  const { outputScores, outputLogits, logprobCount } = settings;
  if (outputScores === null && outputLogits === null && logprobCount === null) return null;

  /** Of the kernels' row, by the id that was chosen. */
  function rowFor(wanted: RecordedScores | null): (chosen: number) => RecordedRow | null {
    if (wanted === null) return () => null;
    if (wanted.topCount !== null) return topFor(wanted.topCount);
    const values = kernels.scores.slice();
    return () => values;
  }

  function topFor(count: number): (chosen: number) => TopScores {
    const top = count === 0 ? [] : bestOf(kernels, count);
    const scoreOf = (id: number) => kernels.scores[id]!;
    return (chosen) => ({ chosen: scoreOf(chosen), top });
  }

  return {
    record(picked, logits) {
      const scoresFor = rowFor(outputScores);
      const scores = picked.map((id) => scoresFor(id));
      if (outputLogits === null && logprobCount === null)
        return scores.map((row) => ({ scores: row, logits: null, logprobs: null }));
      kernels.scores.set(logits);
      const logitsFor = rowFor(outputLogits);
      const rawRows = picked.map((id) => logitsFor(id));
      if (logprobCount !== null) kernels.logSoftmax();
      const logprobsFor = logprobCount === null ? () => null : topFor(logprobCount);
      return picked.map((id, index) => ({
        scores: scores[index]!,
        logits: rawRows[index]!,
        logprobs: logprobsFor(id),
      }));
    },
  };
}

/** Tokens of -Infinity are not possible and no answer. */
function bestOf(kernels: SelectionKernels, count: number): readonly ScoredToken[] {
  return (topScoresOf(kernels, count, 0) ?? []).filter(({ score }) => score > -Infinity);
}

/** What a token and its score take in a list of the best ones, about. */
const scoredTokenBytes = 64;

/** Bytes that a generation's recorded scores may come to, if every sequence becomes as long as it may. */
export function recordedByteCount(
  settings: RecordingSettings &
    Pick<GenerationSettings, "promptTokenCount" | "maxLength" | "returnedSequenceCount" | "beams">,
  vocabSize: number,
): number {
  const { outputScores, outputLogits, logprobCount } = settings;
  const topBytes = (count: number) => (count + 1) * scoredTokenBytes;
  const rowBytes = (wanted: RecordedScores | null) => {
    if (wanted === null) return 0;
    return wanted.topCount === null ? vocabSize * 4 : topBytes(wanted.topCount);
  };
  const logprobBytes = logprobCount === null ? 0 : topBytes(logprobCount);
  const tokenCount = sequenceCountOf(settings) * (settings.maxLength - settings.promptTokenCount);
  return tokenCount * (rowBytes(outputScores) + rowBytes(outputLogits) + logprobBytes);
}
