// The pipeline's `generated_text`, for every dialect that has one.
// Source: transformers 5.23.0, pipelines/text_generation.py, postprocess.

import { withTextAppended, type ChatMessage } from "@corral/contract";
import type { GeneratedSequence } from "@corral/engine";
import type { FinishedPrompt } from "./dialect.ts";

/** What the pipeline calls `generated_text`: a text, or for messages the whole conversation. */
export function generatedText(
  finished: FinishedPrompt,
  sequence: GeneratedSequence,
  full: boolean,
): string | readonly ChatMessage[] {
  if (!full) return sequence.text;
  const { source, continuesFinalMessage } = finished.prompt;
  if (source.kind !== "messages") return finished.fullText(sequence);
  const last = source.messages.at(-1);
  if (!continuesFinalMessage || last === undefined) {
    return [...source.messages, { role: "assistant", content: sequence.text }];
  }
  return [...source.messages.slice(0, -1), withTextAppended(last, sequence.text)];
}
