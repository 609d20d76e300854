// A body through its dialect, prompt and engine's rules, without a replica: for tests of the dialects.

import type { FieldError } from "@corral/contract";
import { isServingError } from "@corral/contract";
import type { GeneratedSequence } from "@corral/engine";
import { createByteTokenizer } from "@corral/engine/testing";
import { parseChatTemplate } from "../chat-template.ts";
import type { DialectContext, PredictAnswer } from "../dialects/dialect.ts";
import { prepareCall, type CallForm, type PreparedCall } from "../prepare-call.ts";
import type { PreparedGeneration } from "../prepare-generation.ts";
import type { PromptModel } from "../prompt.ts";
import { fakeChatTemplate } from "./fake-loaded-model.ts";

export const testModel: PromptModel = {
  vocabulary: createByteTokenizer(),
  chatTemplate: parseChatTemplate(fakeChatTemplate, { bos_token: "<bos>", eos_token: "<eos>" }),
  contextLength: 8_192,
};

export const testRunId = "b3a5c1de-0000-4000-8000-000000000001";

export interface ContextChanges extends Partial<Omit<DialectContext, "query">> {
  readonly query?: string;
  readonly contextLength?: number;
}

/** Of the first prompt, for tests of calls with one. */
export interface PreparedBody extends PreparedCall, PreparedGeneration {}

export function prepareBody(
  dialect: CallForm,
  body: Readonly<Record<string, unknown>>,
  changes: ContextChanges = {},
): PreparedBody {
  const { query = "", contextLength = testModel.contextLength, ...others } = changes;
  const context = testContext(query, others);
  const prepared = prepareCall({ ...testModel, contextLength }, dialect, body, context);
  return { ...prepared, ...prepared.prompts[0] };
}

export function testContext(
  query = "",
  changes: Partial<Omit<DialectContext, "query">> = {},
): DialectContext {
  return {
    runId: testRunId,
    modelId: "model-1",
    deploymentId: "deployment-1",
    query: new URLSearchParams(query),
    acceptsEventStream: false,
    generationConfig: {},
    defaults: {},
    maxSequenceCount: 8,
    cellCount: 100_000,
    receivedAtMs: 1_700_000_000_500,
    vocabulary: testModel.vocabulary,
    ...changes,
  };
}

/** The bad fields of a refused body; fails where it is accepted. */
export function refusedFields(
  dialect: CallForm,
  body: Readonly<Record<string, unknown>>,
  changes: ContextChanges = {},
): readonly FieldError[] {
  try {
    prepareBody(dialect, body, changes);
  } catch (error) {
    if (isServingError(error)) return error.errors;
    throw error;
  }
  throw new Error(`${JSON.stringify(body)} was accepted.`);
}

/** What a run with these new texts would be answered. */
export function answerWith(prepared: PreparedCall, ...texts: readonly string[]): PredictAnswer {
  const sequences: GeneratedSequence[] = texts.map((text) => {
    const ids = [...new TextEncoder().encode(text)];
    return { ids, text, finishReason: "stop", generatedTokenCount: ids.length };
  });
  const [{ prompt, generation, effectiveParameters }] = prepared.prompts;
  const { source } = prompt;
  const finished = {
    prompt,
    sequences,
    padTokenId: generation.padTokenId,
    ...(effectiveParameters === undefined ? {} : { effectiveParameters }),
    fullText: ({ text }: GeneratedSequence) => (source.kind === "text" ? source.text : "") + text,
  };
  return prepared.call.answer({
    prompts: [finished],
    usage: { prompt_tokens: prompt.ids.length, cached_tokens: 0, generated_tokens: 3 },
    runTimeMs: 12.5,
    warnings: prepared.warnings,
    seed: null,
  });
}
