// Whether the KV cache can hold a generation at all.

import { parameterError, type FieldError } from "@corral/contract";

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
  return [parameterError("num_return_sequences", "invalid_parameter", message)];
}
