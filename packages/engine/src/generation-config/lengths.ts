// How long a sequence may and must get: the caller's, the model's and the default lengths against prompt and context.
// Source: transformers 5.23.0, generation/utils.py, _prepare_generated_length and _validate_generated_length.
// Deviates beyond the context, where Hugging Face only warns: a prompt that fills it is refused, a length is clipped.

import { parameterError, type FieldError } from "@corral/contract";
import type { LengthSettings } from "../valid-generation.ts";
import { placeOfSource, type Parameter } from "./read-parameters.ts";

/** Hugging Face's model-agnostic default, counted on top of the prompt since transformers 5. */
const defaultNewTokenCount = 20;

interface NumberParameter extends Parameter {
  readonly value: number | null;
}

export interface LengthInput {
  readonly promptTokenCount: number;
  readonly contextLength: number;
  /** Null or at least 1. */
  readonly maxNewTokens: number | null;
  /** At least 1; source "default" where nobody set it. */
  readonly maxLength: Parameter & { readonly value: number };
  /** Null or any integer. */
  readonly minNewTokens: number | null;
  readonly minLength: NumberParameter;
}

export type LengthResult =
  | {
      readonly kind: "resolved";
      readonly lengths: LengthSettings;
      readonly warnings: readonly string[];
    }
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
  const least = leastLength(input, wanted, warnings);
  return { kind: "resolved", lengths: { promptTokenCount, maxLength: wanted, ...least }, warnings };
}

/** What is negative is off, as in Hugging Face. */
function leastLength(
  { promptTokenCount, minNewTokens, minLength }: LengthInput,
  most: number,
  warnings: string[],
): Pick<LengthSettings, "minLength" | "minNewTokenCount"> {
  const unfeasible = (name: string, value: number) =>
    `\`${name}\` (${value}) is beyond the most that can be reached, ${most} tokens with the prompt of ` +
    `${promptTokenCount}; the sequence ends there. Lower it, or raise \`max_new_tokens\`.`;
  if (minNewTokens === null) {
    const value = minLength.value ?? 0;
    if (value > most) warnings.push(unfeasible("min_length", value));
    return { minLength: Math.max(0, value), minNewTokenCount: 0 };
  }
  if (minLength.source !== "default" && minLength.value !== null) {
    warnings.push(
      `Both \`min_new_tokens\` (${minNewTokens}) and \`min_length\` (${minLength.value}) are set; ` +
        "`min_new_tokens` takes precedence.",
    );
  }
  if (promptTokenCount + minNewTokens > most) warnings.push(unfeasible("min_new_tokens", minNewTokens));
  return {
    minLength: Math.max(0, promptTokenCount + minNewTokens),
    minNewTokenCount: Math.max(0, minNewTokens),
  };
}

function noRoom(promptTokenCount: number, maxLength: LengthInput["maxLength"]): LengthResult {
  const message =
    `The prompt has ${promptTokenCount} tokens, and \`max_length\` is ${maxLength.value}` +
    `${maxLength.source === "model" ? " by the model's defaults" : ""}, prompt included. ` +
    "Set `max_new_tokens`, which does not count the prompt, or raise `max_length`.";
  if (maxLength.source === "model") return promptTooLong(message);
  const error = parameterError("max_length", "invalid_parameter", message);
  return {
    kind: "refused",
    error: { ...error, pointer: placeOfSource("max_length", maxLength.source).pointer },
  };
}

function promptTooLong(message: string): LengthResult {
  return { kind: "refused", error: { pointer: "", code: "prompt_too_long", message } };
}
