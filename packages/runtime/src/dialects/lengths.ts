// Which length holds where a caller, a deployment and a model's file may each name one: a model's default means the
// same in every dialect. Knows no dialect.

import { defaultCaps, maxTokensLimit, type FieldError } from "@corral/contract";
import type { DialectContext, GenerationParameters } from "./dialect.ts";
import { configValue, settledNumber } from "./settled-number.ts";

/** All names under which a default may set the length of an answer. */
const lengthNames = ["max_length", "max_new_tokens", "max_tokens"] as const;

type Values = Readonly<Record<string, unknown>>;

/** Also where it stands in the caller's `generation_config`. */
export function hasValue(values: Values, name: string): boolean {
  return (values[name] ?? configValue(values, name)) !== null;
}

/** A deployment's defaults over the model's generation_config.json. A length among them displaces the file's. */
export function mergeConfig(generationConfig: Values, defaults: Values): Record<string, unknown> {
  const setsLength = lengthNames.some((name) => hasValue(defaults, name));
  return { ...(setsLength ? withoutLengths(generationConfig) : generationConfig), ...defaults };
}

/** A length that the caller gives displaces every default of one. */
export function withoutLengths(config: Values): Record<string, unknown> {
  const names: readonly string[] = lengthNames;
  return Object.fromEntries(Object.entries(config).filter(([name]) => !names.includes(name)));
}

/**
 * The length of a call that names none. `max_new_tokens` counts new tokens; `max_tokens` and `max_length` count the
 * prompt, and where the prompt alone has that many, the most there is holds instead. Where as many tokens of all beams
 * are more than the KV cache has cells, or than a call may have, it is what fits: nobody asked for more.
 * @param merged the model's defaults over its file
 */
export function defaultedLength(
  promptTokenCount: number,
  parameters: Values,
  merged: Values,
  { cellCount, caps = defaultCaps }: Pick<DialectContext, "cellCount" | "caps">,
): GenerationParameters {
  const total = merged["max_tokens"] ?? merged["max_length"];
  if (hasValue(merged, "max_new_tokens") || typeof total !== "number") {
    return { parameters, modelConfig: merged, errors: [], warnings: [] };
  }
  const modelConfig = withoutLengths(merged);
  const asTotal = (length: number) => ({ parameters, modelConfig: { ...modelConfig, max_length: length } });
  const beamCount = settledNumber({ parameters, modelConfig: merged }, "num_beams") ?? 1;
  const scale = settledNumber({ parameters, modelConfig: merged }, "guidance_scale") ?? 1;
  // Guidance computes each beam twice, and begins its second one with a prompt of its own.
  const contextCount = scale === 1 ? 1 : 2;
  const leftCount = cellCount - contextCount * promptTokenCount;
  const fitting = Math.min(
    promptTokenCount + Math.floor(leftCount / (beamCount * contextCount)),
    Math.floor((caps.tokenCount ?? Infinity) / beamCount),
  );
  const defaulted = (length: number, warnings: readonly string[]): GenerationParameters => {
    if (beamCount <= 1 || length <= fitting || fitting <= promptTokenCount)
      return { ...asTotal(length), errors: [], warnings };
    const warning =
      `The default length is ${length} tokens, the prompt counted; for ${beamCount} beams there is room for ` +
      `${fitting}, which was used instead.`;
    return { ...asTotal(fitting), errors: [], warnings: [...warnings, warning] };
  };
  if (promptTokenCount < total) return defaulted(total, []);
  const most = Math.max(total, maxTokensLimit);
  if (promptTokenCount >= most) {
    return {
      ...asTotal(promptTokenCount + 1),
      errors: [tooLong("", promptTokenCount, `the most is ${most}`)],
      warnings: [],
    };
  }
  const warning =
    `The prompt has ${promptTokenCount} tokens and the model's default length is ${total}, the prompt counted; ` +
    `${maxTokensLimit} was used instead.`;
  return defaulted(maxTokensLimit, [warning]);
}

export function tooLong(pointer: string, promptTokenCount: number, limit: string): FieldError {
  const message = `The prompt has ${promptTokenCount} tokens and ${limit}, the prompt counted. Shorten the prompt or ask for more tokens.`;
  return { pointer, code: "prompt_too_long", message };
}
