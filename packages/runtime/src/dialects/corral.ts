// Our own call: `prompt | messages | input_ids` with Hugging Face's parameters and Hugging Face's defaults, and the words
// of its text-generation pipeline beside them. The deployment's own defaults are not used here.
// Source: transformers 5.23.0, pipelines/text_generation.py, _sanitize_parameters.

import { takeAttentionMask } from "./attention-mask.ts";
import type { PromptSource } from "../prompt.ts";
import type { BeamReturns } from "./beams-on-wire.ts";
import { BodyReader, show, type Body } from "./body-reader.ts";
import { takeChatOptions } from "./chat-options.ts";
import { createCorralAnswer } from "./corral-answer.ts";
import type { GenerationParameters, ReadDialect } from "./dialect.ts";
import { takeSources } from "./read-sources.ts";
import { takeReturnForm } from "./return-form.ts";
import { settledNumber, settledValue } from "./settled-number.ts";
import { takeTextOptions } from "./text-options.ts";

export const readCorral: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const prompts = takeSources(reader, ["prompt", "messages", "input_ids"]);
  const masked = takeAttentionMask(reader, prompts);
  const sources = takeTextOptions(reader, takeChatOptions(reader, masked));
  const returnForm = takeReturnForm(reader);
  const skipSpecialTokens = reader.takeBoolean("skip_special_tokens") ?? true;
  warnOfCleanUp(reader);
  const negativePrompt = takeNegativePrompt(reader, body);
  const stopStrings = takeStopSequence(reader, body);
  const cutsLongPrompts = reader.takeWord("handle_long_generation", ["hole"]) === "hole";
  const explains = reader.takeBoolean("explain") ?? false;
  const stream = reader.takeBoolean("stream") ?? false;
  const parameters = { ...reader.rest(), ...(stopStrings === null ? {} : { stop_strings: stopStrings }) };
  const modelConfig = context.generationConfig;

  return {
    sources,
    stream: stream ? "events" : "none",
    skipSpecialTokens,
    errors: reader.errors,
    warnings: reader.warnings,
    negativePrompt,
    callersWords: {
      ...(stopStrings === null ? {} : { stop_strings: "stop_sequence" }),
      ...(negativePrompt === null ? {} : { negative_prompt_ids: "negative_prompt" }),
    },
    explains,
    cutsLongPrompts,
    generationFor(_promptTokenCount, prefixTokenCount) {
      const lengths = lengthsWithPrefix({ parameters, modelConfig }, prefixTokenCount);
      return { parameters: { ...parameters, ...lengths }, modelConfig, errors: [], warnings: [] };
    },
    ...createCorralAnswer({
      runId: context.runId,
      returnForm,
      areListed: prompts?.areListed ?? false,
      // Rows of ids are answered as `generate` answers them, one list of rows; texts and chats as the pipeline does.
      isNested: prompts?.areListed === true && prompts.field !== "input_ids",
      beamReturns: beamReturns({ parameters, modelConfig }),
    }),
  };
};

/** An extension: the text whose ids are `negative_prompt_ids`. */
function takeNegativePrompt(reader: BodyReader, body: Body): PromptSource | null {
  const value = reader.take("negative_prompt") ?? null;
  if (value === null) return null;
  const pointer = "/negative_prompt";
  if (typeof value !== "string") {
    const message = `negative_prompt is ${show(value)}; it must be a string.`;
    reader.refuse(pointer, "invalid_parameter", message);
    return null;
  }
  if (isGiven(body, "negative_prompt_ids")) {
    const message =
      "negative_prompt and negative_prompt_ids exclude each other: the one is the other as text. Give one of them.";
    reader.refuse(pointer, "invalid_parameter", message);
    return null;
  }
  return { kind: "text", text: value, pointer };
}

/** The pipeline's word for `stop_strings`; there it wins over the other without a word, here they exclude each other. */
function takeStopSequence(reader: BodyReader, body: Body): unknown {
  const value = reader.take("stop_sequence") ?? null;
  if (value === null || !isGiven(body, "stop_strings")) return value;
  const message = "stop_sequence and stop_strings exclude each other: they mean the same. Give one of them.";
  reader.refuse("/stop_sequence", "invalid_parameter", message);
  return null;
}

function isGiven(body: Body, name: string): boolean {
  return (body[name] ?? null) !== null;
}

/** The tokenizers of all Llamas are BPE, where transformers does no such thing either. */
function warnOfCleanUp(reader: BodyReader): void {
  if (reader.takeBoolean("clean_up_tokenization_spaces") !== true) return;
  reader.warnings.push(
    "`clean_up_tokenization_spaces` has no effect, as in transformers: it would corrupt what BPE tokenizers decode to.",
  );
}

/** As in `generate`: the beams' indices with its dictionary, their scores where scores are wanted, too. */
function beamReturns(given: Pick<GenerationParameters, "parameters" | "modelConfig">): BeamReturns | null {
  const beamCount = settledNumber(given, "num_beams") ?? 1;
  if (beamCount === 1 || settledValue(given, "return_dict_in_generate") !== true) return null;
  return { beamCount, hasScores: settledValue(given, "output_scores") === true };
}

/** A length that counts the prompt is meant without its prefix; one that counts new tokens is not touched. */
function lengthsWithPrefix(
  given: Pick<GenerationParameters, "parameters" | "modelConfig">,
  prefixTokenCount: number,
): Record<string, number> {
  if (prefixTokenCount === 0) return {};
  const pairs = [
    ["max_length", "max_new_tokens"],
    ["min_length", "min_new_tokens"],
  ] as const;
  return Object.fromEntries(
    pairs.flatMap(([total, ofNew]) => {
      const length = settledNumber(given, total);
      return length === null || settledNumber(given, ofNew) !== null
        ? []
        : [[total, length + prefixTokenCount]];
    }),
  );
}
