// `handle_long_generation: "hole"`: a prompt that leaves no room for the new tokens loses its beginning, because its
// caller asked for that. Nothing else ever cuts a prompt.
// Source: transformers 5.23.0, pipelines/text_generation.py, preprocess. Deviates in the new tokens where no length is set:
// 20, as in `generate`, and in that a `max_length` below the prompt's is refused with the field's name.

import { fieldsError, type FieldError } from "@corral/contract";
import type { GenerationParameters } from "./dialects/dialect.ts";
import { settledNumber } from "./dialects/settled-number.ts";
import type { PreparedPrompt } from "./prompt.ts";

/** How far beyond the context a prompt may be that is cut: tokenizing it takes the event loop. */
export const longestCutPrompt = 8;

/** Fails with `invalid_parameter` where nothing of the prompt would be left. */
export function cutLongPrompt(
  prompt: PreparedPrompt,
  parameters: GenerationParameters,
  contextLength: number,
): PreparedPrompt {
  const { length } = prompt.ids;
  const newTokenCount = newTokens(length, parameters);
  if (length + newTokenCount <= contextLength) return prompt;
  const keptCount = contextLength - newTokenCount;
  if (keptCount <= 0) {
    const message =
      `handle_long_generation is "hole" and ${newTokenCount} new tokens are asked for, while the model's context is ` +
      `${contextLength} tokens: nothing of the prompt would be left. Set a smaller max_new_tokens.`;
    throw refusal(message);
  }
  const warning = `The first ${length - keptCount} of the prompt's ${length} tokens were left out, as handle_long_generation asks.`;
  return { ...prompt, ids: prompt.ids.slice(-keptCount), warnings: [...prompt.warnings, warning] };
}

const defaultNewTokenCount = 20;

function newTokens(promptTokenCount: number, parameters: GenerationParameters): number {
  const given = settledNumber(parameters, "max_new_tokens");
  if (given !== null) return Math.max(1, given);
  const total = settledNumber(parameters, "max_length");
  if (total === null) return defaultNewTokenCount;
  if (total > promptTokenCount) return total - promptTokenCount;
  const message =
    `handle_long_generation is "hole" and max_length is ${total}, the prompt counted, which has ${promptTokenCount} ` +
    "tokens: how many new ones are expected cannot be told. Set max_new_tokens.";
  throw refusal(message);
}

function refusal(message: string) {
  const error: FieldError = { pointer: "/handle_long_generation", code: "invalid_parameter", message };
  return fieldsError([error]);
}
