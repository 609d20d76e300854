// What the engine made of a call's prompts, as dialects answer it. Knows no dialect and no response.

import { createDetokenizer, type GenerationResult } from "@corral/engine";
import { milliseconds } from "./answer-call.ts";
import type { FinishedPrompt, FinishedRun, PredictCall } from "./dialects/dialect.ts";
import type { PromptsResult } from "./generate-prompts.ts";
import type { PreparedCall } from "./prepare-call.ts";
import type { PreparedGeneration } from "./prepare-generation.ts";
import type { PromptModel } from "./prompt.ts";
import { usageOnWire } from "./run-ledger.ts";

/** Only for a result without an error. */
export function finishedRun(
  model: PromptModel,
  { call, prompts, warnings }: PreparedCall,
  { results, usage, timings }: PromptsResult,
): FinishedRun {
  const finished = prompts.flatMap((prepared, index) => {
    const result = results[index];
    return result === undefined ? [] : [finishedPrompt(model, call, prepared, result)];
  });
  const [first, ...others] = finished;
  if (first === undefined || finished.length < prompts.length) {
    throw new TypeError(`${prompts.length} prompts have ${finished.length} results.`);
  }
  return {
    prompts: [first, ...others],
    usage: usageOnWire(usage),
    runTimeMs: milliseconds(timings.prefillMs + timings.decodeMs),
    warnings,
    seed: prompts[0].generation.doSample ? (results[0]?.seed ?? null) : null,
  };
}

function finishedPrompt(
  { vocabulary }: PromptModel,
  { skipSpecialTokens }: PredictCall,
  { prompt, promptIds, generation, effectiveParameters }: PreparedGeneration,
  { sequences }: GenerationResult,
): FinishedPrompt {
  return {
    prompt,
    sequences,
    padTokenId: generation.padTokenId,
    ...(effectiveParameters === undefined ? {} : { effectiveParameters }),
    fullText({ text, ids }) {
      // A prompt that came as text is echoed byte for byte; one that came as ids has only what they decode to.
      if (prompt.source.kind === "text") return prompt.source.text + text;
      const decoder = createDetokenizer(vocabulary, [], { skipSpecialTokens });
      return decoder.push(promptIds) + decoder.push(ids) + decoder.flush();
    },
  };
}
