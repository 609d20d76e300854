// `POST /v1/completions`: prompts as texts or as token ids, the answer as the texts that go on from them.

import { mostCompletionAlternatives, mostPrompts } from "@corral/contract";
import type { PromptSource } from "../prompt.ts";
import { BodyReader, show } from "./body-reader.ts";
import type { ReadDialect } from "./dialect.ts";
import { createAnswers, type ChoiceForm } from "./openai-answer.ts";
import { readFields } from "./openai-fields.ts";
import { completionLogprobs } from "./openai-logprobs.ts";
import { refuseUnsupported } from "./openai-refused.ts";

const form: ChoiceForm = {
  idPrefix: "cmpl-",
  object: "text_completion",
  chunkObject: "text_completion",
  whole: (text) => ({ text }),
  part: (text) => ({ text }),
  logprobs: completionLogprobs,
};

export const readOpenAiCompletion: ReadDialect = (body, context) => {
  const reader = new BodyReader(body);
  const sources = readPrompts(reader);
  const echoes = reader.takeBoolean("echo") ?? false;
  readBestOf(reader, body["n"] ?? 1);
  const count = reader.takeInteger("logprobs", 0, mostCompletionAlternatives);
  if (echoes && count !== null) {
    const message =
      "echo and logprobs exclude each other: log-probabilities of a prompt are told by POST /api/v1/deployments/{d}/score.";
    reader.refuse("/logprobs", "unsupported_parameter", message);
  }
  refuseUnsupported(reader);
  const fields = readFields(reader, context, {
    lengthNames: ["max_tokens"],
    ownNames: ["prompt", "echo", "best_of", "logprobs"],
    logprobs: count === null ? null : { field: "logprobs", count },
  });
  const texts = (sources ?? []).flatMap((source) => (source.kind === "text" ? source.text : []));
  if (echoes && fields.streams && texts.length < (sources?.length ?? 0)) {
    const message = "echo in a stream is for prompts that are texts; token ids have none of their own.";
    reader.refuse("/echo", "unsupported_parameter", message);
  }
  return {
    sources,
    stream: fields.streams ? "chunks" : "none",
    skipSpecialTokens: true,
    stripsStopStrings: true,
    errors: reader.errors,
    warnings: reader.warnings,
    callersWords: fields.callersWords,
    ...(fields.keepsOutput === null ? {} : { isStored: fields.keepsOutput }),
    generationFor: fields.generationFor,
    ...createAnswers(form, fields, context, echoes ? texts : null),
  };
};

/** A text, a list of token ids, or a list of either; null where an error was noted. */
function readPrompts(reader: BodyReader): readonly PromptSource[] | null {
  const value = reader.take("prompt") ?? null;
  if (value === null) {
    const message = "prompt is missing; give a text, a list of token ids, or a list of either.";
    reader.refuse("/prompt", "missing_parameter", message);
    return null;
  }
  const isList = Array.isArray(value) && value.length > 0 && typeof value[0] !== "number";
  if (!isList) {
    const one = readPrompt(reader, value, "/prompt");
    return one === null ? null : [one];
  }
  const prompts = value as unknown[];
  if (prompts.length > mostPrompts) {
    const message = `prompt has ${prompts.length} prompts; at most ${mostPrompts} are taken in one call. Send several calls.`;
    reader.refuse("/prompt", "invalid_parameter", message);
    return null;
  }
  const sources = prompts.flatMap((one, index) => readPrompt(reader, one, `/prompt/${index}`) ?? []);
  return sources.length < prompts.length ? null : sources;
}

function readPrompt(reader: BodyReader, value: unknown, pointer: string): PromptSource | null {
  const name = pointer.slice(1).replace(/\/(\d+)$/, "[$1]");
  if (typeof value === "string") return { kind: "text", text: value, pointer };
  if (!Array.isArray(value) || value.length === 0) {
    const message = `${name} is ${show(value)}; it must be a text or a list of at least one token id.`;
    reader.refuse(pointer, "invalid_parameter", message);
    return null;
  }
  const ids = value as unknown[];
  const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || Number(id) < 0);
  if (wrong < 0) return { kind: "ids", ids: ids as number[], pointer };
  const message = `${name} holds ${show(ids[wrong])}; token ids are integers of at least 0.`;
  reader.refuse(`${pointer}/${wrong}`, "invalid_parameter", message);
  return null;
}

/** Generating more than are returned, to choose among them, is not built. */
function readBestOf(reader: BodyReader, n: unknown): void {
  const value = reader.take("best_of") ?? null;
  if (value === null || value === n) return;
  const message = `best_of is ${show(value)} and n is ${show(n)}; choosing among more than n is not supported: leave best_of out.`;
  reader.refuse("/best_of", "unsupported_parameter", message);
}
