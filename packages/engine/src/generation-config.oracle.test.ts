// Two hundred parameter combinations as `generate` itself prepares them, recorded by scripts/oracle/record_config.py:
// accepted or refused, lengths, end tokens, processors in their order, and the flags that it warns of.

import { findGenerationField } from "@corral/contract";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { resolveWire, type WireValues } from "./testing/resolve-wire.ts";
import type { ValidGeneration } from "./valid-generation.ts";

interface Outcome {
  readonly accepted: boolean;
  /** Absent where the strategy is not the plain loop. */
  readonly max_length?: number;
  readonly min_length?: number | null;
  readonly do_sample?: boolean | null;
  readonly eos?: readonly number[];
  readonly pad?: number | null;
  readonly processors?: readonly string[];
  /** Of its "minor issues". */
  readonly flags: readonly string[];
}

interface Case {
  readonly call: WireValues;
  readonly config?: WireValues;
  readonly model?: WireValues;
  readonly prompt?: number;
  readonly outcome: Outcome;
}

interface Recording {
  readonly vocabulary_size: number;
  readonly positions: number;
  readonly prompt: readonly number[];
  readonly model_eos: number;
  readonly cases: readonly Case[];
}

const recording = JSON.parse(
  readFileSync(new URL("../test-data/oracle/config.json", import.meta.url), "utf8"),
) as Recording;

/** Where we answer otherwise on purpose: docs/generate.md. Written as the case without `max_new_tokens: 4`. */
const acceptedHere: readonly WireValues[] = [
  { max_length: null },
  // JSON cannot tell 2 from 2.0.
  { do_sample: true, temperature: 2 },
  { repetition_penalty: 2 },
  { sequence_bias: [[[3], 1]] },
  { seed: 1 },
  // The server has the tokenizer that a stop string needs.
  { stop_strings: "x" },
  // An object is the only form that JSON has for it.
  { compile_config: {} },
];
const refusedHere: readonly WireValues[] = [
  { max_new_tokens: 2.5 },
  { eos_token_id: -1 },
  { eos_token_id: 999_999 },
  { pad_token_id: -1 },
  { forced_bos_token_id: 128 },
  { num_return_sequences: 0 },
  { max_time: -1 },
  { assistant_early_exit: 1 },
];
/** Transformers builds a processor that changes nothing. */
const emptyProcessors: readonly WireValues[] = [
  { bad_words_ids: [[]] },
  { bad_words_ids: [[2]] },
  { sequence_bias: [[[], 1]] },
  { suppress_tokens: [] },
  { suppress_tokens: [999] },
  { suppress_tokens: [-1] },
  { begin_suppress_tokens: [999] },
];

function isAmong(cases: readonly WireValues[], { call }: Case): boolean {
  const { max_new_tokens: length, ...others } = call;
  const shown = JSON.stringify(length === 4 ? others : call);
  return cases.some((one) => same(one, JSON.parse(shown) as WireValues));
}

function same(a: WireValues, b: WireValues): boolean {
  const sorted = (values: WireValues) =>
    JSON.stringify(Object.entries(values).toSorted(([one], [other]) => (one < other ? -1 : 1)));
  return sorted(a) === sorted(b);
}

function resolveCase({ call, config, model, prompt }: Case) {
  const promptIds = recording.prompt.slice(0, prompt ?? recording.prompt.length);
  return resolveWire(
    config === undefined ? call : { ...call, generation_config: config },
    { eos_token_id: recording.model_eos, ...model },
    {
      promptTokenCount: promptIds.length,
      lastPromptId: promptIds.at(-1),
      limits: {
        contextLength: recording.positions,
        vocabSize: recording.vocabulary_size,
        maxSequenceCount: 8,
        cellCount: 10_000,
      },
      endOfGenerationIds: [],
    },
  );
}

/** By the names of transformers' classes, in the order of its list. */
function processorNames(settings: ValidGeneration): string[] {
  const hasEnd = settings.endTokenIds.length > 0;
  const table: readonly (readonly [name: string, isOn: boolean])[] = [
    ["UnbatchedClassifierFreeGuidanceLogitsProcessor", settings.guidance !== null],
    ["SequenceBiasLogitsProcessor", settings.sequenceBias.length > 0],
    ["EncoderRepetitionPenaltyLogitsProcessor", settings.encoderRepetitionPenalty !== null],
    ["RepetitionPenaltyLogitsProcessor", settings.repetitionPenalty !== null],
    ["NoRepeatNGramLogitsProcessor", settings.noRepeatNgramSize !== null],
    ["EncoderNoRepeatNGramLogitsProcessor", settings.encoderNoRepeatNgramSize !== null],
    ["NoBadWordsLogitsProcessor", settings.badWords.length > 0],
    ["MinLengthLogitsProcessor", settings.minLength > 0 && hasEnd],
    ["MinNewTokensLengthLogitsProcessor", settings.minNewTokenCount > 0 && hasEnd],
    ["ForcedBOSTokenLogitsProcessor", settings.forcedBosTokenId !== null],
    ["ForcedEOSTokenLogitsProcessor", settings.forcedEosTokenIds.length > 0],
    ["InfNanRemoveLogitsProcessor", settings.removeInvalidValues],
    ["ExponentialDecayLengthPenalty", settings.exponentialDecay !== null],
    ["SuppressTokensLogitsProcessor", settings.suppressedTokenIds.length > 0],
    ["SuppressTokensAtBeginLogitsProcessor", settings.beginSuppressedTokenIds.length > 0],
    ["TemperatureLogitsWarper", settings.temperature !== null],
    ["TopHLogitsWarper", settings.topH !== null],
    ["TopKLogitsWarper", settings.topK !== null],
    ["TopPLogitsWarper", settings.topP !== null],
    ["MinPLogitsWarper", settings.minP !== null],
    ["TypicalLogitsWarper", settings.typicalP !== null],
    ["EpsilonLogitsWarper", settings.epsilonCutoff !== null],
    ["EtaLogitsWarper", settings.etaCutoff !== null],
    ["WatermarkLogitsProcessor", settings.watermark !== null],
    ["LogitNormalization", settings.renormalizeLogits],
  ];
  return table.flatMap(([name, isOn]) => (isOn ? [name] : []));
}

for (const recorded of recording.cases) {
  const { outcome, ...given } = recorded;
  test(`${outcome.accepted ? "accepted" : "refused"}: ${JSON.stringify(given)}`, () => {
    const resolved = resolveCase(recorded);
    const isException = isAmong(outcome.accepted ? refusedHere : acceptedHere, recorded);
    assert.equal(resolved.kind === "valid", outcome.accepted !== isException, JSON.stringify(resolved));
    if (resolved.kind !== "valid" || !outcome.accepted || outcome.max_length === undefined) return;
    const { generation, warnings } = resolved;
    assert.deepEqual(
      {
        maxLength: generation.maxLength,
        minLength: generation.minLength,
        doSample: generation.doSample,
        eos: generation.endTokenIds,
        pad: generation.padTokenId,
      },
      {
        maxLength: outcome.max_length,
        minLength: Math.max(0, outcome.min_length ?? 0),
        doSample: outcome.do_sample === true,
        eos: outcome.eos,
        pad: outcome.pad,
      },
    );
    const expected = isAmong(emptyProcessors, recorded) ? [] : outcome.processors;
    assert.deepEqual(processorNames(generation), expected);
    // A file or an object is also checked where it is read, without what lies over it.
    if (recorded.config !== undefined || recorded.model !== undefined) return;
    for (const flag of outcome.flags) {
      assert.match(warnings.join("\n"), RegExp(`\`${flag}\` .*no effect`), "transformers warns of it");
    }
    const ownFlags = warnings.flatMap(
      (text) => /`(\w+)` .* no effect as `(?:do_sample|num_beams)`/.exec(text)?.[1] ?? [],
    );
    for (const flag of ownFlags.filter((name) => findGenerationField(name)?.isExtension === false))
      assert.ok(outcome.flags.includes(flag), `transformers does not warn of ${flag}`);
  });
}

test("every deviation that is listed is among the recorded cases", () => {
  for (const one of [...acceptedHere, ...refusedHere, ...emptyProcessors]) {
    const found = recording.cases.some((recorded) => isAmong([one], recorded));
    assert.ok(found, JSON.stringify(one));
  }
});
