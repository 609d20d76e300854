// Our own call: `prompt | messages | input_ids` with Hugging Face's parameters and Hugging Face's defaults, the answer
// shaped as its text-generation pipeline shapes it. The deployment's own defaults are not used here.
// Source: transformers 5.23.0, pipelines/text_generation.py, _sanitize_parameters and postprocess.

import { padRows } from "@corral/engine";
import { BodyReader } from "./body-reader.ts";
import { takeChatOptions } from "./chat-options.ts";
import { commonFinishReason, type FinishedPrompt, type ReadDialect } from "./dialect.ts";
import { generatedText } from "./generated-text.ts";
import { takeSources } from "./read-sources.ts";

export const readCorral: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const prompts = takeSources(reader, ["prompt", "messages", "input_ids"]);
  const sources = takeChatOptions(reader, prompts?.sources ?? null);
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
  const isListed = prompts?.areListed ?? false;
  // Rows of ids are answered as `generate` answers them, one list of rows; texts and chats as the pipeline does.
  const isNested = isListed && prompts?.field !== "input_ids";

  /** One row for each sequence; those of one list are equally long where the prompts are. */
  const rowsOf = (together: readonly FinishedPrompt[]) => {
    const rows = together.flatMap((finished) =>
      finished.sequences.map((sequence) => ({ finished, sequence })),
    );
    const newIds = rows.map(({ sequence }) => sequence.ids);
    const padded = returnTensors ? padRows(newIds, together[0]?.padTokenId ?? null) : newIds;
    return rows.map(({ finished, sequence }, index) => ({
      ...(returnTensors
        ? { generated_token_ids: [...finished.prompt.ids, ...(padded[index] ?? [])] }
        : { generated_text: generatedText(finished, sequence, returnFullText ?? true) }),
      finish_reason: sequence.finishReason,
      generated_tokens: sequence.generatedTokenCount,
    }));
  };

  return {
    sources,
    stream: stream ? "events" : "none",
    skipSpecialTokens,
    errors: reader.errors,
    warnings: reader.warnings,
    generationFor: () => ({ parameters, modelConfig: context.generationConfig, errors: [], warnings: [] }),
    answer(run) {
      const result = isNested ? run.prompts.map((finished) => rowsOf([finished])) : rowsOf(run.prompts);
      const body = {
        run_id: context.runId,
        run_time_ms: run.runTimeMs,
        result,
        usage: run.usage,
        finish_reason: commonFinishReason(run.prompts.flatMap(({ sequences }) => sequences)),
        ...(run.seed === null ? {} : { seed: run.seed }),
        warnings: run.warnings,
      };
      return { body, output: result, headers: {} };
    },
    tokenEvent: ({ prompt, sequence, text, ids }) => ({
      ...(isListed ? { prompt } : {}),
      sequence,
      text,
      ids,
    }),
  };
};
