// `POST /embeddings`: texts as vectors, made of the model's last hidden states.

import { mostInputs, poolings } from "@corral/contract";
import type { EvaluationOutput } from "@corral/engine";
import { BodyReader, mostErrors, pointerTo, show } from "../dialects/body-reader.ts";
import { float32OnWire } from "../float32-on-wire.ts";
import { prepareTexts, takeAdapter, type ReadEvaluation, type TextSource } from "./evaluation-call.ts";

const fields = ["input", "pooling", "normalize", "add_special_tokens", "adapter"] as const;

export const readEmbeddings: ReadEvaluation = (body, model, adapters) => {
  const reader = new BodyReader(body);
  const sources = readInput(reader);
  const pooling = reader.takeWord("pooling", poolings) ?? "mean";
  const normalize = reader.takeBoolean("normalize") ?? true;
  const addSpecialTokens = reader.takeBoolean("add_special_tokens");
  if (addSpecialTokens !== null && sources.some(({ source }) => source.kind !== "text")) {
    const message = "add_special_tokens is for texts only: token ids are taken as they are.";
    reader.refuse("/add_special_tokens", "invalid_parameter", message);
  }
  const adapter = takeAdapter(reader, adapters);
  reader.refuseRest(fields);
  const asked = sources.map(({ source, pointer }) => ({
    source: source.kind === "text" ? { ...source, addSpecialTokens: addSpecialTokens ?? true } : source,
    pointer,
  }));
  const texts = prepareTexts(model, asked, reader.errors);
  const warnings = [...new Set(texts.flatMap((text) => text.warnings))];

  return {
    evaluation: { kind: "embedding", pooling, normalize },
    adapter,
    texts,
    answer({ runId, runTimeMs, outputs, usage }) {
      const embeddings = outputs.map(vectorOnWire);
      const answered = { run_id: runId, run_time_ms: runTimeMs, embeddings, usage, warnings };
      return { body: answered, output: embeddings, headers: {} };
    },
  };
};

/** One text or several, each as a text or as ids. What is wrong is noted with the reader. */
function readInput(reader: BodyReader): TextSource[] {
  const input = reader.take("input") ?? null;
  const refuse = (message: string) => reader.refuse("/input", "invalid_parameter", message);
  if (input === null)
    reader.refuse("/input", "missing_parameter", "input is missing; give a text or a list of texts.");
  else if (!Array.isArray(input) || typeof input[0] === "number")
    return readText(reader, input, "input", "/input");
  else if (input.length === 0) refuse("input is an empty list; give at least one text.");
  else if (input.length > mostInputs) {
    refuse(`input has ${input.length} texts; one call takes ${mostInputs} at most. Send several calls.`);
  } else {
    return (input as unknown[]).flatMap((value, index) => {
      // A list of a hundred mistakes helps nobody.
      if (reader.errors.length >= mostErrors) return [];
      return readText(reader, value, `input[${index}]`, `/input/${index}`);
    });
  }
  return [];
}

function readText(reader: BodyReader, value: unknown, name: string, pointer: string): TextSource[] {
  const refuse = (message: string, at = pointer) => {
    reader.refuse(at, "invalid_parameter", message);
    return [];
  };
  if (value === "") return refuse(`${name} is ""; an empty text has no embedding.`);
  if (typeof value === "string") return [{ source: { kind: "text", text: value, pointer }, pointer }];
  if (!Array.isArray(value) || value.length === 0) {
    return refuse(`${name} is ${show(value)}; it must be a text or a list of at least one token id.`);
  }
  const ids = value as unknown[];
  const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || Number(id) < 0);
  if (wrong < 0) return [{ source: { kind: "ids", ids: ids as number[], pointer }, pointer }];
  const message = `${name} holds ${show(ids[wrong])}; token ids are integers of at least 0.`;
  return refuse(message, pointer + pointerTo(String(wrong)));
}

function vectorOnWire(output: EvaluationOutput): (number | null)[] {
  if (output.kind !== "embedding") throw new TypeError("There is no embedding.");
  return Array.from(output.vector, float32OnWire);
}
