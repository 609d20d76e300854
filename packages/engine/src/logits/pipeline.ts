// Which processors act on a generation, and in which order. The order is the specification's and is nowhere else.
// Source: transformers 5.23.0, generation/utils.py, _get_logits_processor.

import type { GenerationSettings } from "../valid-generation.ts";
import type { LogitsProcessor, ProcessorEnvironment } from "./processor.ts";
import { createRepetitionPenalty } from "./repetition-penalty.ts";
import { createTemperature } from "./temperature.ts";
import { createTopK } from "./top-k.ts";
import { createTopP } from "./top-p.ts";

interface PipelineRow {
  /** A warper acts only when sampling. */
  readonly kind: "processor" | "warper";
  /** Null where the settings leave it off. */
  readonly create: (
    settings: GenerationSettings,
    environment: ProcessorEnvironment,
  ) => LogitsProcessor | null;
}

/** Numbers are those of section 2.1. */
const order: readonly PipelineRow[] = [
  // 4
  {
    kind: "processor",
    create: ({ repetitionPenalty }, { vocabSize }) =>
      repetitionPenalty === null ? null : createRepetitionPenalty(repetitionPenalty, vocabSize),
  },
  // 18
  {
    kind: "warper",
    create: ({ temperature }) => (temperature === null ? null : createTemperature(temperature)),
  },
  // 20
  {
    kind: "warper",
    create: ({ topK }, { minKeepCount }) => (topK === null ? null : createTopK(topK, minKeepCount)),
  },
  // 21
  {
    kind: "warper",
    create: ({ topP }, { minKeepCount, scratch }) =>
      topP === null ? null : createTopP(topP, minKeepCount, scratch),
  },
];

/** The processors of a generation, in the order they act. */
export function createPipeline(
  settings: GenerationSettings,
  environment: ProcessorEnvironment,
): readonly LogitsProcessor[] {
  return order
    .filter(({ kind }) => kind === "processor" || settings.doSample)
    .map(({ create }) => create(settings, environment))
    .filter((processor) => processor !== null);
}

/** Lets all of them act on one row, in place. */
export function processScores(
  pipeline: readonly LogitsProcessor[],
  scores: Float32Array,
  tokens: readonly number[],
): void {
  for (const processor of pipeline) processor.process(scores, tokens);
}
