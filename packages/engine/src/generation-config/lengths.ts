// How long a sequence may get: the caller's, the model's and the default lengths against prompt and context.
// Source: transformers 5.23.0, generation/utils.py, _prepare_generated_length.
// Deviates beyond the context, where Hugging Face only warns: a prompt that fills it is refused, a length is clipped.

import { parameterError, type FieldError } from "@corral/contract";
import type { Parameter } from "./read-parameters.ts";

/** Hugging Face's model-agnostic default, counted on top of the prompt since transformers 5. */
const defaultNewTokenCount = 20;

export interface LengthInput {
  readonly promptTokenCount: number;
  readonly contextLength: number;
  /** Null or at least 1. */
  readonly maxNewTokens: number | null;
  /** At least 1; source "default" where nobody set it. */
  readonly maxLength: Parameter & { readonly value: number };
}

export type LengthResult =
  | { readonly kind: "resolved"; readonly maxLength: number; readonly warnings: readonly string[] }
  | { readonly kind: "refused"; readonly error: FieldError };

export function resolveLength(input: LengthInput): LengthResult {
  const { promptTokenCount, contextLength, maxNewTokens, maxLength } = input;
  if (promptTokenCount >= contextLength) {
    return promptTooLong(
      `The prompt has ${promptTokenCount} tokens; the context holds ${contextLength}, one new token at least ` +
        `included. Shorten the prompt to ${contextLength - 1} tokens or fewer.`,
    );
  }
  const warnings: string[] = [];
  let wanted: number;
  if (maxNewTokens !== null) {
    wanted = promptTokenCount + maxNewTokens;
    if (maxLength.source !== "default") {
      warnings.push(
        `Both \`max_new_tokens\` (${maxNewTokens}) and \`max_length\` (${maxLength.value}) are set; ` +
          "`max_new_tokens` takes precedence.",
      );
    }
  } else if (maxLength.source === "default") {
    wanted = Math.min(promptTokenCount + defaultNewTokenCount, contextLength);
    warnings.push(
      `Neither \`max_new_tokens\` nor \`max_length\` is set: at most ${wanted - promptTokenCount} new tokens are ` +
        `generated (\`max_length\` ${wanted}). Set \`max_new_tokens\` to choose.`,
    );
  } else {
    wanted = maxLength.value;
    if (promptTokenCount >= wanted) return noRoom(promptTokenCount, maxLength);
  }
  if (wanted > contextLength) {
    warnings.push(
      `A length of ${wanted} tokens is beyond the context of ${contextLength}; after a prompt of ` +
        `${promptTokenCount}, at most ${contextLength - promptTokenCount} new tokens are generated.`,
    );
    wanted = contextLength;
  }
  return { kind: "resolved", maxLength: wanted, warnings };
}

function noRoom(promptTokenCount: number, maxLength: LengthInput["maxLength"]): LengthResult {
  const message =
    `The prompt has ${promptTokenCount} tokens, and \`max_length\` is ${maxLength.value}` +
    `${maxLength.source === "model" ? " by the model's defaults" : ""}, prompt included. ` +
    "Set `max_new_tokens`, which does not count the prompt, or raise `max_length`.";
  if (maxLength.source === "model") return promptTooLong(message);
  return { kind: "refused", error: parameterError("max_length", "invalid_parameter", message) };
}

function promptTooLong(message: string): LengthResult {
  return { kind: "refused", error: { pointer: "", code: "prompt_too_long", message } };
}
