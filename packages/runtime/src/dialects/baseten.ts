// The documented Baseten call: `messages` or `prompt` with `max_tokens` as the total length, the answer wrapped.
// Unknown fields are refused. Source: the Llama 3 page.

import { maxTokensLimit, type BasetenEnvelope, type BasetenOutput } from "@corral/contract";
import { BodyReader, show } from "./body-reader.ts";
import { generatedText } from "./generated-text.ts";
import {
  commonFinishReason,
  type FinishedRun,
  type GenerationParameters,
  type ReadDialect,
} from "./dialect.ts";
import { defaultedLength, hasValue, mergeConfig, tooLong, withoutLengths } from "./lengths.ts";
import { refuseScores, scoreNames, scoresElsewhere } from "./refuse-scores.ts";
import { settledNumber, settledValue } from "./settled-number.ts";
import { takeSource } from "./read-sources.ts";

export const readBaseten: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const source = takeSource(reader, ["messages", "prompt"]);
  const returnFullText = reader.takeBoolean("return_full_text") ?? false;
  const wantsStream = reader.takeBoolean("stream") ?? false;
  const maxTokens = readMaxTokens(reader);
  refuseScores(reader, [...scoreNames, "logprobs"], scoresElsewhere);
  const parameters = reader.rest();
  const stream = !wantsStream ? "none" : context.acceptsEventStream ? "events" : "text";
  const merged = mergeConfig(context.generationConfig, context.defaults);
  const sequenceCount = settledValue({ parameters, modelConfig: merged }, "num_return_sequences");
  const severalAsked = Number(sequenceCount ?? 1) > 1;
  // Several beams are streamed in no form: that is told of all families alike.
  const hasBeams = (settledNumber({ parameters, modelConfig: merged }, "num_beams") ?? 1) > 1;
  if (stream === "text" && severalAsked && !hasBeams) {
    const message =
      "num_return_sequences above 1 cannot be streamed as text; send Accept: text/event-stream.";
    reader.refuse("/num_return_sequences", "unsupported_parameter", message);
  }
  if (stream === "text" && returnFullText) {
    const message =
      "return_full_text has no place in a stream of text; send Accept: text/event-stream or leave it out.";
    reader.refuse("/return_full_text", "unsupported_parameter", message);
  }
  if (returnFullText && severalAsked) {
    const message = "return_full_text and num_return_sequences above 1 exclude each other.";
    reader.refuse("/return_full_text", "unsupported_parameter", message);
  }
  if (maxTokens !== null && hasValue(parameters, "max_length")) {
    reader.refuse(
      "/max_length",
      "invalid_parameter",
      "max_tokens and max_length both set the total length; give one of them.",
    );
  }

  function generationFor(promptTokenCount: number): GenerationParameters {
    if (maxTokens !== null) {
      const withTotal = (total: number) => ({
        parameters: { ...parameters, max_length: total },
        modelConfig: withoutLengths(merged),
        warnings: [],
      });
      // max_new_tokens takes precedence, and does not count the prompt.
      if (promptTokenCount < maxTokens || hasValue(parameters, "max_new_tokens")) {
        return { ...withTotal(maxTokens), errors: [] };
      }
      const error = tooLong("/max_tokens", promptTokenCount, `max_tokens is ${maxTokens}`);
      return { ...withTotal(promptTokenCount + 1), errors: [error] };
    }
    if (hasValue(parameters, "max_length") || hasValue(parameters, "max_new_tokens")) {
      return { parameters, modelConfig: withoutLengths(merged), errors: [], warnings: [] };
    }
    return defaultedLength(promptTokenCount, parameters, merged, context);
  }

  function outputOf(run: FinishedRun): BasetenOutput {
    const [one] = run.prompts;
    const [first] = one.sequences;
    return {
      ...(one.sequences.length > 1
        ? { outputs: one.sequences.map(({ text }) => text) }
        : { output: first?.text ?? "" }),
      ...(returnFullText && first !== undefined ? { generated_text: generatedText(one, first, true) } : {}),
      usage: run.usage,
      finish_reason: commonFinishReason(one.sequences),
      run_id: context.runId,
      ...(run.warnings.length > 0 ? { warnings: run.warnings } : {}),
    };
  }

  return {
    sources: source === null ? null : [source],
    stream,
    skipSpecialTokens: true,
    errors: reader.errors,
    warnings: reader.warnings,
    generationFor,
    answer(run) {
      const output = outputOf(run);
      const envelope: BasetenEnvelope = {
        model_id: context.modelId,
        model_version_id: context.deploymentId,
        model_output: output,
      };
      // Streams are never wrapped.
      const isWrapped = stream === "none" && context.isBare !== true;
      return { body: isWrapped ? envelope : output, output, headers: {} };
    },
    tokenEvent: ({ sequence, text }) => (text === "" ? null : { sequence, text }),
  };
};

function readMaxTokens(reader: BodyReader): number | null {
  const value = reader.take("max_tokens") ?? null;
  if (value === null) return null;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxTokensLimit)
    return value as number;
  const message = `max_tokens is ${show(value)}; it must be an integer from 1 to ${maxTokensLimit}, the prompt's tokens counted.`;
  reader.refuse("/max_tokens", "invalid_parameter", message);
  return null;
}
