// Our own call: `prompt | messages | input_ids` with Hugging Face's parameters and Hugging Face's defaults, the answer
// shaped as its text-generation pipeline shapes it. The deployment's own defaults are not used here.
// Source: transformers 5.23.0, pipelines/text_generation.py, postprocess.

import { withTextAppended, type ChatMessage } from "@corral/contract";
import type { GeneratedSequence } from "@corral/engine";
import { BodyReader } from "./body-reader.ts";
import { takeChatOptions } from "./chat-options.ts";
import { commonFinishReason, type FinishedRun, type ReadDialect } from "./dialect.ts";

export const readCorral: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const source = takeChatOptions(reader, reader.takeSource(["prompt", "messages", "input_ids"]));
  const returnFullText = reader.takeBoolean("return_full_text");
  const returnTensors = reader.takeBoolean("return_tensors") ?? false;
  const skipSpecialTokens = reader.takeBoolean("skip_special_tokens") ?? true;
  const stream = reader.takeBoolean("stream") ?? false;
  if (returnTensors && returnFullText !== null) {
    const message =
      "return_tensors and return_full_text exclude each other: ids are always returned in full.";
    reader.refuse("/return_tensors", "invalid_parameter", message);
  }
  const parameters = reader.rest();

  return {
    source,
    stream: stream ? "events" : "none",
    skipSpecialTokens,
    errors: reader.errors,
    warnings: reader.warnings,
    generationFor: () => ({ parameters, modelConfig: context.generationConfig, errors: [], warnings: [] }),
    answer(run) {
      const result = run.sequences.map((sequence, index) =>
        returnTensors
          ? { generated_token_ids: [...run.prompt.ids, ...(run.paddedIds[index] ?? sequence.ids)] }
          : { generated_text: generatedText(run, sequence, returnFullText ?? true) },
      );
      const body = {
        run_id: context.runId,
        run_time_ms: run.runTimeMs,
        result,
        usage: run.usage,
        finish_reason: commonFinishReason(run.sequences),
        ...(run.seed === null ? {} : { seed: run.seed }),
        warnings: run.warnings,
      };
      return { body, output: result, headers: {} };
    },
    tokenEvent: (event) => ({ ...event }),
  };
};

/** What the pipeline calls `generated_text`: a text, or for messages the whole conversation. */
export function generatedText(
  run: FinishedRun,
  sequence: GeneratedSequence,
  full: boolean,
): string | readonly ChatMessage[] {
  if (!full) return sequence.text;
  const { source, continuesFinalMessage } = run.prompt;
  if (source.kind !== "messages") return run.fullText(sequence);
  const last = source.messages.at(-1);
  if (!continuesFinalMessage || last === undefined) {
    return [...source.messages, { role: "assistant", content: sequence.text }];
  }
  return [...source.messages.slice(0, -1), withTextAppended(last, sequence.text)];
}
