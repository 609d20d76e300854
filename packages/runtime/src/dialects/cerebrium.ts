// The documented Cerebrium call: numeric strings are numbers, null is the default, unknown fields are ignored and
// named in a header. Source: Cerebrium's Llama 2 page.

import {
  findGenerationField,
  successMessage,
  warningsHeader,
  type CerebriumAnswer,
  type GenerationField,
} from "@corral/contract";
import { BodyReader, pointerTo, show } from "./body-reader.ts";
import { generatedText } from "./generated-text.ts";
import type { DialectContext, GenerationParameters, ReadDialect } from "./dialect.ts";
import { encodeWarnings } from "./header-text.ts";
import { defaultedLength, hasValue, mergeConfig, withoutLengths } from "./lengths.ts";
import { refuseScores, scoreNames, scoresElsewhere } from "./refuse-scores.ts";
import { settledNumber, settledValue } from "./settled-number.ts";
import { takeSource } from "./read-sources.ts";

export const readCerebrium: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const source = takeSource(reader, ["prompt", "messages"]);
  const returnFullText = reader.takeBoolean("return_full_text") ?? true;
  refuseAsync(reader, context);
  const asText = readResultForm(reader, context.query);
  refuseScores(reader, [...scoreNames, "logprobs"], scoresElsewhere);
  const given = readParameters(reader);
  const merged = mergeConfig(context.generationConfig, context.defaults);
  const settled = { parameters: given, modelConfig: merged };
  const isLikeliest = impliesLikeliest(given);
  const hasBeams = (settledNumber(settled, "num_beams") ?? 1) > 1;
  const greedy = isLikeliest && !hasBeams;
  const unsampled = isLikeliest ? withoutSampling(given) : given;
  // A forced greedy answer is the same however often it is asked for; beams find different ones.
  const parameters = greedy ? { ...unsampled, num_return_sequences: 1 } : unsampled;
  const copiesAsked = settledValue(settled, "num_return_sequences") ?? 1;
  const copies = greedy ? readCopies(reader, copiesAsked, context.maxSequenceCount) : 1;

  function generationFor(promptTokenCount: number): GenerationParameters {
    if (hasValue(parameters, "max_length") || hasValue(parameters, "max_new_tokens")) {
      return { parameters, modelConfig: withoutLengths(merged), errors: [], warnings: [] };
    }
    return defaultedLength(promptTokenCount, parameters, merged, context);
  }

  return {
    sources: source === null ? null : [source],
    stream: "none",
    skipSpecialTokens: true,
    errors: reader.errors,
    warnings: reader.warnings,
    generationFor,
    answer(run) {
      const [one] = run.prompts;
      const texts = one.sequences.map((sequence) => {
        const text = generatedText(one, sequence, returnFullText);
        // The prompt is echoed; a conversation has no text of its own to echo, so its answer stands alone.
        return typeof text === "string" ? text : sequence.text;
      });
      const repeated = copies === 1 ? texts : Array.from({ length: copies }, () => texts[0] ?? "");
      const result = asText ? (repeated[0] ?? "") : repeated.map((text) => ({ generated_text: text }));
      const answer: CerebriumAnswer = {
        run_id: context.runId,
        run_time_ms: run.runTimeMs,
        message: successMessage,
        result,
      };
      const headers = run.warnings.length === 0 ? {} : { [warningsHeader]: encodeWarnings(run.warnings) };
      return { body: answer, output: result, headers };
    },
    tokenEvent: () => null,
  };
};

/** The gateway took it from every body that it looked into; of one that it did not, its caller would wait for ever. */
function refuseAsync(reader: BodyReader, { isQueued = false }: DialectContext): void {
  if ((reader.take("webhook_endpoint") ?? null) === null || isQueued) return;
  const remedy =
    "is read in bodies of up to 1 MiB whose length is told; use ?webhookEndpoint= for a longer one.";
  reader.refuse("/webhook_endpoint", "unsupported_parameter", `webhook_endpoint ${remedy}`);
}

/** LangChain's client needs a text where the documented answer has a list. */
function readResultForm(reader: BodyReader, query: URLSearchParams): boolean {
  const form = query.get("result");
  if (form === null || form === "list" || form === "text") return form === "text";
  reader.refuse("", "invalid_parameter", `result in the query is ${show(form)}; it must be text or list.`);
  return false;
}

/** Known names with their values read leniently; unknown ones are warned of. */
function readParameters(reader: BodyReader): Record<string, unknown> {
  const parameters: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(reader.rest())) {
    const field = findGenerationField(name);
    if (field === undefined) reader.warnings.push(`${show(name)} is not known and was ignored.`);
    const read = field === undefined || value === null ? undefined : readNumber(reader, field, value);
    if (read !== undefined) parameters[name] = read;
  }
  checkRanges(reader, parameters);
  // -1 switches the filter off elsewhere, 0 does in Hugging Face.
  if (parameters["top_k"] === -1) parameters["top_k"] = 0;
  return parameters;
}

const numeral = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A text that is a number becomes one; the engine refuses what is still of the wrong kind. Undefined: refused. */
function readNumber(reader: BodyReader, { name, kind }: GenerationField, value: unknown): unknown {
  const isNumeric = kind === "integer" || kind === "number" || (kind === "ids" && !Array.isArray(value));
  if (!isNumeric) return value;
  const number = typeof value === "string" && numeral.test(value.trim()) ? Number(value) : value;
  if (typeof number !== "number" || Number.isFinite(number)) return number;
  reader.refuse(
    pointerTo(name),
    "invalid_parameter",
    `${name} is ${show(value)}; it must be a finite number.`,
  );
  return undefined;
}

/** Hugging Face passes over these where they have no effect; here they are mistakes. */
function checkRanges(reader: BodyReader, parameters: Record<string, unknown>): void {
  const { top_p: topP, temperature } = parameters;
  if (typeof topP === "number" && (topP < 0 || topP > 1)) {
    reader.refuse("/top_p", "invalid_parameter", `top_p is ${topP}; it must be from 0 to 1.`);
    delete parameters["top_p"];
  }
  if (typeof temperature === "number" && temperature < 0) {
    reader.refuse(
      "/temperature",
      "invalid_parameter",
      `temperature is ${temperature}; it must be at least 0.`,
    );
    delete parameters["temperature"];
  }
}

/** An explicit 0 asks for the likeliest token, not for an error. */
function impliesLikeliest(parameters: Readonly<Record<string, unknown>>): boolean {
  return parameters["do_sample"] !== false && (parameters["top_p"] === 0 || parameters["temperature"] === 0);
}

/** The call without sampling, and without the zeros that ask for that; what else has no effect is warned of. */
function withoutSampling(parameters: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const asking = ["temperature", "top_p"];
  const kept = Object.entries(parameters).filter(([name, value]) => value !== 0 || !asking.includes(name));
  return { ...Object.fromEntries(kept), do_sample: false };
}

function readCopies(reader: BodyReader, value: unknown, most: number): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) return value as number;
  const message = `num_return_sequences is ${show(value)}; it must be an integer from 1 to ${most}.`;
  reader.refuse("/num_return_sequences", "invalid_parameter", message);
  return 1;
}
