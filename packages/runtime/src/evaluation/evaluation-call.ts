// What a call that generates nothing is turned into, and what it is answered with: the words that scores and embeddings
// share. Knows neither HTTP nor the engine's loop.

import type { FieldError, Usage } from "@corral/contract";
import { callersPlace, fieldsError, invalidValue, isServingError } from "@corral/contract";
import { unknownAdapter, type Evaluation, type EvaluationOutput } from "@corral/engine";
import type { BodyReader } from "../dialects/body-reader.ts";
import type { PredictAnswer } from "../dialects/dialect.ts";
import { preparePrompt, type PreparedPrompt, type PromptModel, type PromptSource } from "../prompt.ts";

export interface EvaluationCall {
  readonly evaluation: Evaluation;
  /** Name of the LoRA adapter to compute with; null: the model as it is. */
  readonly adapter: string | null;
  /** At least one. */
  readonly texts: readonly PreparedPrompt[];
  /** The answer to a run that succeeded. */
  answer(run: FinishedEvaluation): PredictAnswer;
}

export interface FinishedEvaluation {
  readonly runId: string;
  readonly runTimeMs: number;
  /** One for each text. */
  readonly outputs: readonly EvaluationOutput[];
  readonly usage: Usage;
}

/** LoRA adapters as a call finds them. */
export interface KnownAdapters {
  readonly names: readonly string[];
  /** Used where a body does not say; null: none. Whether it is there was checked when the version was made. */
  readonly byDefault: string | null;
}

export type ReadEvaluation = (
  body: Readonly<Record<string, unknown>>,
  model: PromptModel,
  adapters: KnownAdapters,
) => EvaluationCall;

/** The `adapter` of a body; what is wrong with it is noted with the reader. */
export function takeAdapter(reader: BodyReader, { names: known, byDefault }: KnownAdapters): string | null {
  const value = reader.take("adapter");
  if (value === undefined) return byDefault;
  if (value === null || (typeof value === "string" && known.includes(value))) return value;
  const place = callersPlace("adapter");
  const { pointer, code, message } =
    typeof value === "string"
      ? unknownAdapter(value, known, place)
      : invalidValue("adapter", "be a string", value, place);
  reader.refuse(pointer, code, message);
  return null;
}

/** What of a body a text came from. */
export interface TextSource {
  readonly source: PromptSource;
  readonly pointer: string;
}

/** The ids of each source; fails with all errors of the body, those that were found before included. */
export function prepareTexts(
  model: PromptModel,
  sources: readonly TextSource[],
  errors: readonly FieldError[],
): readonly PreparedPrompt[] {
  const all = [...errors];
  const texts = sources.flatMap(({ source, pointer }) => {
    try {
      const text = preparePrompt(model, source);
      all.push(...lengthErrors(text.ids.length, model.contextLength, pointer));
      return [text];
    } catch (error) {
      if (!isServingError(error) || error.errors.length === 0) throw error;
      all.push(...error.errors);
      return [];
    }
  });
  if (all.length > 0) throw fieldsError(all);
  return texts;
}

function lengthErrors(tokenCount: number, contextLength: number, pointer: string): FieldError[] {
  if (tokenCount <= contextLength) return [];
  const message = `The text has ${tokenCount} tokens, and the model's context is ${contextLength} tokens. Shorten it.`;
  return [{ pointer, code: "prompt_too_long", message }];
}
