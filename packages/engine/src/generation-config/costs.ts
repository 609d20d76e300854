// Whether the KV cache can hold a generation at all, and whether it costs more than the deployment allows.

import {
  checkCap,
  parameterError,
  type FieldError,
  type GenerationCaps,
  type PlaceOf,
} from "@corral/contract";
import {
  sequenceCountOf,
  type GenerationSettings,
  type GuidanceSettings,
  type LengthSettings,
  type ReturnedSettings,
} from "../valid-generation.ts";

/**
 * That the prompt's cells and those of every sequence's new tokens fit at all: what never can is not worth a retry.
 * Guidance computes each sequence a second time, after the negative prompt.
 */
export function checkCells(
  { promptTokenCount, maxLength }: LengthSettings,
  sequences: SequenceSettings,
  guidance: GuidanceSettings | null,
  { cellCount, maxSequenceCount }: { readonly cellCount: number; readonly maxSequenceCount: number },
): FieldError[] {
  const contextCount = guidance === null ? 1 : 2;
  const sequenceCount = sequenceCountOf(sequences);
  const name = sequencesName(sequences);
  if (sequenceCount * contextCount > maxSequenceCount) {
    const message =
      `\`${name}\` asks for ${sequenceCount} sequences, each computed twice for \`guidance_scale\`; ` +
      `${Math.floor(maxSequenceCount / contextCount)} of such are the most.`;
    return [parameterError(name, "invalid_parameter", message)];
  }
  const newTokenCount = maxLength - promptTokenCount;
  const negativeCount = guidance?.negativePromptIds.length ?? 0;
  const ownCount = contextCount * newTokenCount;
  const neededCount = promptTokenCount + negativeCount + sequenceCount * ownCount;
  if (neededCount <= cellCount) return [];
  const leftCount = cellCount - promptTokenCount - negativeCount;
  const mostSequences = Math.max(1, Math.floor(leftCount / ownCount));
  const mostNew = Math.max(1, Math.floor(leftCount / (sequenceCount * contextCount)));
  const message =
    `${sequenceCount} sequences of up to ${newTokenCount} new tokens after a prompt of ${promptTokenCount}` +
    `${guidance === null ? "" : ` and a negative one of ${negativeCount}`} need ` +
    `${neededCount} cells of the KV cache, which has ${cellCount}. Set \`${name}\` to ${mostSequences} at most, ` +
    `or \`max_new_tokens\` to ${mostNew}.`;
  return [parameterError(name, "invalid_parameter", message)];
}

type SequenceSettings = Pick<GenerationSettings, "beams" | "returnedSequenceCount">;

/** The parameter that asks for several sequences. */
function sequencesName({ beams }: SequenceSettings): string {
  return beams === null ? "num_return_sequences" : "num_beams";
}

/** That the context without guidance has a beginning, and fits beside as many new tokens. */
export function checkGuidance(
  { promptTokenCount, maxLength }: LengthSettings,
  guidance: GuidanceSettings | null,
  contextLength: number,
): FieldError[] {
  if (guidance === null) return [];
  const count = guidance.negativePromptIds.length;
  const newTokenCount = maxLength - promptTokenCount;
  if (count === 0) {
    const message =
      "`guidance_scale` needs `negative_prompt_ids` where there is no prompt to take an id from.";
    return [parameterError("negative_prompt_ids", "missing_parameter", message)];
  }
  if (count + newTokenCount <= contextLength) return [];
  const message =
    `\`negative_prompt_ids\` has ${count} ids; with ${newTokenCount} new tokens they go beyond the context of ` +
    `${contextLength}. Shorten it or lower \`max_new_tokens\`.`;
  return [parameterError("negative_prompt_ids", "invalid_parameter", message)];
}

/** Tokens and returned scores against the deployment's caps. */
export function checkCosts(
  { promptTokenCount, maxLength }: LengthSettings,
  returned: ReturnedSettings & SequenceSettings,
  vocabSize: number,
  caps: GenerationCaps,
  placeOf: PlaceOf,
): FieldError[] {
  const sequenceCount = sequenceCountOf(returned);
  const tokens = `tokens (sequences × prompt and new tokens)`;
  const lengthName = sequenceCount > 1 ? sequencesName(returned) : "max_new_tokens";
  const scoreBytes = returnedScoreBytes({ promptTokenCount, maxLength, ...returned }, vocabSize);
  const { name: scoresName, remedy } = returnedScores(returned);
  const bytes = `bytes of scores (${remedy}, or fewer tokens)`;
  return [
    ...checkCap(lengthName, sequenceCount * maxLength, caps.tokenCount, tokens, placeOf),
    ...checkCap(scoresName, scoreBytes, caps.scoreBytes, bytes, placeOf),
  ];
}

/** The parameter that a refusal of too many returned scores is about, and what it is told. */
export function returnedScores({ outputScores, outputLogits }: ReturnedSettings): {
  readonly name: string;
  readonly remedy: string;
} {
  if (outputScores === null && outputLogits === null)
    return { name: "logprobs", remedy: "set `logprobs` to fewer" };
  const name = outputScores === null ? "output_logits" : "output_scores";
  return { name, remedy: "set `scores_top_n` to the number of best ones" };
}

/**
 * Of the scores, logits and log-probabilities in the answer, if every sequence becomes as long as it may: four for each
 * number.
 */
export function returnedScoreBytes(
  settings: Pick<LengthSettings, "promptTokenCount" | "maxLength"> & ReturnedSettings,
  vocabSize: number,
): number {
  const { promptTokenCount, maxLength, returnedSequenceCount, outputScores, outputLogits, logprobCount } =
    settings;
  const rowBytes = [outputScores, outputLogits].reduce((sum, recorded) => {
    if (recorded === null) return sum;
    const { topCount } = recorded;
    return sum + (topCount === null ? 4 * vocabSize : 8 * Math.min(topCount, vocabSize));
  }, 0);
  const logprobBytes = logprobCount === null ? 0 : 8 * (1 + logprobCount);
  return returnedSequenceCount * (maxLength - promptTokenCount) * (rowBytes + logprobBytes);
}
