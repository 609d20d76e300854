// The ranges of the implemented parameters. Each check gives the errors of one parameter, or of one pair.
// Source: transformers 5.23.0, generation/configuration_utils.py, validate, and the processors' constructors.

import type { FieldError } from "@corral/contract";
import { describeValue, fieldError } from "./field-error.ts";

/** A rule that a value breaks: `must` completes "`name` must …". */
export function checkRange(
  name: string,
  value: number | null,
  isAllowed: (value: number) => boolean,
  must: string,
): FieldError[] {
  if (value === null || isAllowed(value)) return [];
  return [fieldError(name, "invalid_parameter", `\`${name}\` must ${must}; given: ${describeValue(value)}.`)];
}

/** Of the warpers, only when sampling: without it they are inert, whatever their value. */
export function checkWarpers(
  temperature: number | null,
  topK: number | null,
  topP: number | null,
): FieldError[] {
  const greedy = temperature === 0 ? " (for greedy decoding, set `do_sample` to false)" : "";
  return [
    ...checkRange("temperature", temperature, (value) => value > 0, `be above 0${greedy}`),
    ...checkRange("top_k", topK, (value) => value >= 0, "be at least 1, or 0 or null to switch it off"),
    ...checkRange("top_p", topP, (value) => value >= 0, "be at least 0; 1 or more switches it off"),
  ];
}

export function checkTokenIds(name: string, ids: readonly number[], vocabSize: number): FieldError[] {
  const wrong = ids.find((id) => id < 0 || id >= vocabSize);
  if (wrong === undefined) return [];
  return checkRange(name, wrong, () => false, `be within the vocabulary, 0 to ${vocabSize - 1}`);
}

export function checkReturnedSequences(
  count: number | null,
  doSample: boolean,
  maxSequenceCount: number,
): FieldError[] {
  const must = `be from 1 to ${maxSequenceCount}`;
  const inRange = checkRange(
    "num_return_sequences",
    count,
    (value) => value >= 1 && value <= maxSequenceCount,
    must,
  );
  if (inRange.length > 0 || count === null || count === 1 || doSample) return inRange;
  const message =
    `\`num_return_sequences\` must be 1 in greedy decoding, where all sequences would be the same; given: ${count}. ` +
    "Set `do_sample` to true for different ones.";
  return [fieldError("num_return_sequences", "invalid_parameter", message)];
}

/** That the prompt's cells and those of every sequence's new tokens fit at all: what never can is not worth a retry. */
export function checkCells(
  promptTokenCount: number,
  newTokenCount: number,
  sequenceCount: number,
  cellCount: number,
): FieldError[] {
  const neededCount = promptTokenCount + sequenceCount * newTokenCount;
  if (neededCount <= cellCount) return [];
  const leftCount = cellCount - promptTokenCount;
  const mostSequences = Math.max(1, Math.floor(leftCount / newTokenCount));
  const message =
    `${sequenceCount} sequences of up to ${newTokenCount} new tokens after a prompt of ${promptTokenCount} need ` +
    `${neededCount} cells of the KV cache, which has ${cellCount}. Set \`num_return_sequences\` to ${mostSequences} at most, ` +
    `or \`max_new_tokens\` to ${Math.max(1, Math.floor(leftCount / sequenceCount))}.`;
  return [fieldError("num_return_sequences", "invalid_parameter", message)];
}
