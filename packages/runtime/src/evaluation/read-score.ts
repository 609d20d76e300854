// `POST /score`: how probable the model finds a text that is given, token by token.

import { mostTopCount, type Score } from "@corral/contract";
import type { EvaluationOutput } from "@corral/engine";
import { BodyReader } from "../dialects/body-reader.ts";
import { takeSource } from "../dialects/read-sources.ts";
import { float32OnWire } from "../float32-on-wire.ts";
import { prepareTexts, takeAdapter, type ReadEvaluation } from "./evaluation-call.ts";

const fields = ["prompt", "messages", "input_ids", "top_n", "add_special_tokens", "adapter"] as const;

export const readScore: ReadEvaluation = (body, model, adapters) => {
  const reader = new BodyReader(body);
  const source = takeSource(reader, ["prompt", "messages", "input_ids"]);
  const topCount = reader.takeInteger("top_n", 0, mostTopCount) ?? 0;
  const addSpecialTokens = reader.takeBoolean("add_special_tokens");
  if (addSpecialTokens !== null && source !== null && source.kind !== "text") {
    const message =
      "add_special_tokens is for prompt only: messages and input_ids bring their own special tokens.";
    reader.refuse("/add_special_tokens", "invalid_parameter", message);
  }
  const adapter = takeAdapter(reader, adapters);
  reader.refuseRest(fields);
  const pointer = { text: "/prompt", messages: "/messages", ids: "/input_ids" } as const;
  const sources =
    source === null
      ? []
      : [
          {
            source:
              source.kind === "text" ? { ...source, addSpecialTokens: addSpecialTokens ?? true } : source,
            pointer: pointer[source.kind],
          },
        ];
  const texts = prepareTexts(model, sources, reader.errors);
  const { ids = [], warnings = [] } = texts[0] ?? {};
  const textOf = (id: number) => Buffer.from(model.vocabulary.bytesOf(id)).toString("utf8");

  return {
    evaluation: { kind: "scores", topCount },
    adapter,
    texts,
    answer({ runId, runTimeMs, outputs, usage }) {
      const output = {
        ids: [...ids],
        tokens: ids.map(textOf),
        ...scoresOnWire(outputs[0], topCount > 0),
      } satisfies Partial<Score>;
      const answered = { run_id: runId, run_time_ms: runTimeMs, ...output, usage, warnings };
      return { body: answered, output, headers: {} };
    },
  };
};

/** With a first entry for the first token, which nothing stands before. */
function scoresOnWire(output: EvaluationOutput | undefined, withTop: boolean) {
  if (output?.kind !== "scores") throw new TypeError("There are no scores.");
  const { logProbabilities, top } = output;
  const topOnWire = top.map((best) => best.map(({ id, score }) => ({ id, logprob: float32OnWire(score) })));
  return {
    logprobs: [null, ...logProbabilities.map(float32OnWire)],
    ...(withTop ? { top: [null, ...topOnWire] } : {}),
    total_logprob: finiteOrNull(logProbabilities.reduce((sum, logProbability) => sum + logProbability, 0)),
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
