// Which processors act on a generation, and in which order. The order is the specification's and is nowhere else.
// Source: transformers 5.23.0, generation/utils.py, _get_logits_processor.

import type { GenerationSettings } from "../valid-generation.ts";
import { createBadWords } from "./bad-words-ids.ts";
import { createBeginSuppressTokens } from "./begin-suppress-tokens.ts";
import { createDiversityPenalty } from "./diversity-penalty.ts";
import { createEncoderNoRepeatNgram } from "./encoder-no-repeat-ngram-size.ts";
import { createEncoderRepetitionPenalty } from "./encoder-repetition-penalty.ts";
import { createEpsilonCutoff } from "./epsilon-cutoff.ts";
import { createEtaCutoff } from "./eta-cutoff.ts";
import { createExponentialDecay } from "./exponential-decay-length-penalty.ts";
import { createForcedBos } from "./forced-bos-token-id.ts";
import { createForcedEos } from "./forced-eos-token-id.ts";
import { createFrequencyPenalty } from "./frequency-penalty.ts";
import { createGuidance } from "./guidance-scale.ts";
import { createKgwWatermark } from "./kgw-watermark.ts";
import { createMinLength } from "./min-length.ts";
import { createMinNewTokens } from "./min-new-tokens.ts";
import { createMinP } from "./min-p.ts";
import { createNoRepeatNgram } from "./no-repeat-ngram-size.ts";
import { createPresencePenalty } from "./presence-penalty.ts";
import type { LogitsProcessor, ProcessorEnvironment } from "./processor.ts";
import { createRemoveInvalidValues } from "./remove-invalid-values.ts";
import { createRenormalizeLogits } from "./renormalize-logits.ts";
import { createRepetitionPenalty } from "./repetition-penalty.ts";
import { createSequenceBias } from "./sequence-bias.ts";
import { createSuppressTokens } from "./suppress-tokens.ts";
import { createSynthIdWatermark } from "./synthid-watermark.ts";
import { createTemperature } from "./temperature.ts";
import { createTopH } from "./top-h.ts";
import { createTopK } from "./top-k.ts";
import { createTopP } from "./top-p.ts";
import { createTypicalP } from "./typical-p.ts";

/** Null where the settings leave it off. */
type Create = (settings: GenerationSettings, environment: ProcessorEnvironment) => LogitsProcessor | null;

interface PipelineRow {
  /** In section 2.1 of the specification; what has a letter is an extension and follows the number's. */
  readonly number: string;
  /** A warper acts only when sampling. */
  readonly kind: "processor" | "warper";
  readonly create: Create;
}

/** The numbers 10 and 17 are Python callables in Hugging Face, which no caller can send. */
export const order: readonly PipelineRow[] = [
  processor("1", ({ guidance }, { unconditionalScores }) => {
    if (guidance === null || guidance.scale === 1) return null;
    if (unconditionalScores === undefined) throw new Error("Guidance needs a row of unconditional scores.");
    return createGuidance(guidance.scale, unconditionalScores);
  }),
  processor("2", ({ sequenceBias }) => (sequenceBias.length === 0 ? null : createSequenceBias(sequenceBias))),
  // Where transformers 4.46 has it.
  processor("2a", ({ beams }, { earlierTokens }) => {
    const groups = beams?.groups ?? null;
    if (groups === null) return null;
    if (earlierTokens === undefined) throw new Error("Groups of beams need the tokens of earlier groups.");
    return createDiversityPenalty(groups.diversityPenalty, earlierTokens);
  }),
  processor("3", ({ encoderRepetitionPenalty: penalty, promptTokenCount }, { vocabSize }) =>
    penalty === null ? null : createEncoderRepetitionPenalty(penalty, promptTokenCount, vocabSize),
  ),
  processor("4", ({ repetitionPenalty }, { vocabSize }) =>
    repetitionPenalty === null ? null : createRepetitionPenalty(repetitionPenalty, vocabSize),
  ),
  processor("4a", ({ presencePenalty, promptTokenCount }, { vocabSize }) =>
    presencePenalty === null ? null : createPresencePenalty(presencePenalty, promptTokenCount, vocabSize),
  ),
  processor("4b", ({ frequencyPenalty, promptTokenCount }, { vocabSize }) =>
    frequencyPenalty === null ? null : createFrequencyPenalty(frequencyPenalty, promptTokenCount, vocabSize),
  ),
  processor("5", ({ noRepeatNgramSize }) =>
    noRepeatNgramSize === null ? null : createNoRepeatNgram(noRepeatNgramSize),
  ),
  processor("6", ({ encoderNoRepeatNgramSize: size, promptTokenCount }) =>
    size === null ? null : createEncoderNoRepeatNgram(size, promptTokenCount),
  ),
  processor("7", ({ badWords }) => (badWords.length === 0 ? null : createBadWords(badWords))),
  processor("8", ({ minLength, endTokenIds }) =>
    minLength === 0 || endTokenIds.length === 0 ? null : createMinLength(minLength, endTokenIds),
  ),
  processor("9", ({ minNewTokenCount, promptTokenCount, endTokenIds }) =>
    minNewTokenCount === 0 || endTokenIds.length === 0
      ? null
      : createMinNewTokens(minNewTokenCount, promptTokenCount, endTokenIds),
  ),
  processor("11", ({ forcedBosTokenId }) =>
    forcedBosTokenId === null ? null : createForcedBos(forcedBosTokenId),
  ),
  processor("12", ({ forcedEosTokenIds, maxLength }) =>
    forcedEosTokenIds.length === 0 ? null : createForcedEos(forcedEosTokenIds, maxLength),
  ),
  processor("13", ({ removeInvalidValues }) => (removeInvalidValues ? createRemoveInvalidValues() : null)),
  processor("14", ({ exponentialDecay, promptTokenCount, endTokenIds }) =>
    exponentialDecay === null
      ? null
      : createExponentialDecay(exponentialDecay, promptTokenCount, endTokenIds),
  ),
  processor("15", ({ suppressedTokenIds }) =>
    suppressedTokenIds.length === 0 ? null : createSuppressTokens(suppressedTokenIds),
  ),
  processor("16", ({ beginSuppressedTokenIds: ids, promptTokenCount, forcedBosTokenId }) =>
    ids.length === 0 ? null : createBeginSuppressTokens(ids, promptTokenCount, forcedBosTokenId !== null),
  ),
  warper("18", ({ temperature }) => (temperature === null ? null : createTemperature(temperature))),
  warper("19", ({ topH }) => (topH === null ? null : createTopH(topH))),
  warper("20", ({ topK }, { minKeepCount }) => (topK === null ? null : createTopK(topK, minKeepCount))),
  warper("21", ({ topP }, { minKeepCount, scratch }) =>
    topP === null ? null : createTopP(topP, minKeepCount, scratch),
  ),
  warper("22", ({ minP }, { minKeepCount, scratch }) =>
    minP === null ? null : createMinP(minP, minKeepCount, scratch),
  ),
  warper("23", ({ typicalP }, { minKeepCount, scratch }) =>
    typicalP === null ? null : createTypicalP(typicalP, minKeepCount, scratch),
  ),
  warper("24", ({ epsilonCutoff }, { minKeepCount, scratch }) =>
    epsilonCutoff === null ? null : createEpsilonCutoff(epsilonCutoff, minKeepCount, scratch),
  ),
  warper("25", ({ etaCutoff }, { minKeepCount, scratch }) =>
    etaCutoff === null ? null : createEtaCutoff(etaCutoff, minKeepCount, scratch),
  ),
  processor("26", ({ watermark, promptTokenCount }, { vocabSize, scratch }) => {
    if (watermark === null) return null;
    return watermark.kind === "kgw"
      ? createKgwWatermark(watermark, vocabSize)
      : createSynthIdWatermark(watermark, promptTokenCount, scratch);
  }),
  processor("27", ({ renormalizeLogits }) => (renormalizeLogits ? createRenormalizeLogits() : null)),
];

function processor(number: string, create: Create): PipelineRow {
  return { number, kind: "processor", create };
}

function warper(number: string, create: Create): PipelineRow {
  return { number, kind: "warper", create };
}

/** The processors of a generation, in the order they act. */
export function createPipeline(
  settings: GenerationSettings,
  environment: ProcessorEnvironment,
): readonly LogitsProcessor[] {
  return order
    .filter(({ kind }) => kind === "processor" || settings.doSample)
    .map(({ create }) => create(settings, environment))
    .filter((created) => created !== null);
}

/** Lets all of them act on one row, in place. */
export function processScores(
  pipeline: readonly LogitsProcessor[],
  scores: Float32Array,
  tokens: readonly number[],
): void {
  for (const each of pipeline) each.process(scores, tokens);
}
