// `npm run bench:processors`: what each processor and the usual chains cost on a row of 128,256 scores, in microseconds
// a token, and as a share of the time a 1B model in Q4 takes for it. `--save` keeps it in bench/results/processors.json,
// `--decode-ms N` says how long that is. The copy of the row into place is not counted.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { settingsOf } from "../testing/recorded-processors.ts";
import { createScoreRow, createSequence } from "../testing/score-rows.ts";
import { createFastLane } from "../strategies/fast-lane.ts";
import { createPipeline, processScores } from "./pipeline.ts";
import { createSelectionKernels } from "./selection-kernels.ts";

const { values: options } = parseArgs({
  options: {
    save: { type: "boolean", default: false },
    "decode-ms": { type: "string", default: "45" },
    rounds: { type: "string", default: "40" },
  },
});
const decodeMs = Number(options["decode-ms"]);
const roundCount = Number(options.rounds);
const warmUpCount = 15;

const vocabSize = 128_256;
const promptTokenCount = 512;
const next = createSequence(1);
const tokens = Array.from({ length: 1024 }, () => Math.floor(next() * vocabSize));
const kernels = createSelectionKernels(vocabSize);
const scratch = new Float64Array(vocabSize);
const unconditionalScores = createScoreRow(vocabSize, "peaked", 2);
const rows = { flat: createScoreRow(vocabSize, "flat", 1), peaked: createScoreRow(vocabSize, "peaked", 1) };

const synthId = { ngram_len: 5, keys: [654, 400, 836, 123, 340, 443, 597, 160, 57] };
const sampled = { do_sample: true };
/** As callers would set them; each alone. */
const alone: Readonly<Record<string, unknown>> = {
  guidance_scale: 1.5,
  sequence_bias: Array.from({ length: 300 }, (_, index) => [[index * 7, index * 11, index * 13], 1]),
  encoder_repetition_penalty: 1.2,
  repetition_penalty: 1.1,
  presence_penalty: 0.5,
  frequency_penalty: 0.5,
  no_repeat_ngram_size: 3,
  encoder_no_repeat_ngram_size: 3,
  bad_words_ids: Array.from({ length: 300 }, (_, index) => [index * 7, index * 11]),
  min_length: 2000,
  min_new_tokens: 2000,
  forced_eos_token_id: 3,
  remove_invalid_values: true,
  exponential_decay_length_penalty: [10, 1.01],
  suppress_tokens: [1, 2, 3, 4, 5],
  temperature: 0.7,
  top_h: 0.6,
  top_k: 50,
  top_p: 0.9,
  min_p: 0.05,
  typical_p: 0.9,
  epsilon_cutoff: 0.0003,
  eta_cutoff: 0.0003,
  renormalize_logits: true,
};
const contenders: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ...Object.fromEntries(Object.entries(alone).map(([name, value]) => [name, { ...sampled, [name]: value }])),
  "watermarking_config lefthash": { watermarking_config: {} },
  "watermarking_config selfhash": { watermarking_config: { seeding_scheme: "selfhash" } },
  "watermarking_config SynthID": { watermarking_config: synthId },
  "greedy, repetition_penalty": { repetition_penalty: 1.1 },
  "temperature, top_k, top_p": { ...sampled, temperature: 0.7, top_k: 50, top_p: 0.9 },
  "temperature, top_k, top_p, min_p": { ...sampled, temperature: 0.7, top_k: 50, top_p: 0.9, min_p: 0.05 },
  "temperature, min_p": { ...sampled, temperature: 1.2, min_p: 0.05 },
  "temperature, top_p": { ...sampled, temperature: 0.7, top_p: 0.9 },
  "temperature, top_k, SynthID": { ...sampled, temperature: 0.7, top_k: 50, watermarking_config: synthId },
};

interface Result {
  readonly name: string;
  readonly row: string;
  /** Lower quartiles: nearer to a quiet machine than the median. */
  readonly processors_us: number;
  /** With the choice of a token, in the lane that the engine takes. */
  readonly with_choice_us: number;
  readonly share_of_decode: number;
}

function measure(name: string, given: Readonly<Record<string, unknown>>, spread: keyof typeof rows): Result {
  const settings = settingsOf({ max_length: 1025, eos_token_id: [3], ...given }, promptTokenCount);
  const pipeline = createPipeline(settings, { vocabSize, minKeepCount: 1, scratch, unconditionalScores });
  const picker = createFastLane({ settings, pipeline, kernels, scratch, uniformAt: () => 0.37 });
  const place = (row: Float32Array) => kernels.scores.set(row);
  const act = () => processScores(pipeline, kernels.scores, tokens);
  const choose = () => {
    picker.process(tokens);
    return picker.pick(0, tokens.length);
  };
  const [processors, withChoice] = [act, choose].map((work) =>
    lowerQuartile(work, () => place(rows[spread])),
  );
  return {
    name,
    row: spread,
    processors_us: processors!,
    with_choice_us: withChoice!,
    share_of_decode: withChoice! / 1000 / decodeMs,
  };
}

function lowerQuartile(work: () => unknown, prepare: () => void): number {
  const times: number[] = [];
  for (let round = -warmUpCount; round < roundCount; round++) {
    prepare();
    const started = performance.now();
    work();
    if (round >= 0) times.push((performance.now() - started) * 1000);
  }
  return Math.round(times.toSorted((a, b) => a - b)[Math.floor(roundCount / 4)]! * 10) / 10;
}

const heading = `${"".padEnd(44)}processors   with choice   of ${decodeMs} ms`;
const results: Result[] = [];
console.log(`µs per token, V = ${vocabSize}, ${tokens.length} tokens\n${heading}`);
for (const spread of ["flat", "peaked"] as const) {
  for (const [name, given] of Object.entries(contenders)) {
    const result = measure(name, given, spread);
    results.push(result);
    const cells = [
      result.processors_us.toFixed(0).padStart(10),
      result.with_choice_us.toFixed(0).padStart(14),
      `${(100 * result.share_of_decode).toFixed(2)} %`.padStart(11),
    ];
    console.log(`${`${spread}: ${name}`.padEnd(44)}${cells.join("")}`);
  }
}

if (options.save) {
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8" }).trim();
  const record = {
    bench: "processors",
    commit: git("rev-parse", "HEAD"),
    dirty: git("status", "--porcelain") !== "",
    machine: { cpu: cpus()[0]?.model, cores: availableParallelism(), load_before: loadavg() },
    node: process.version,
    vocabulary_size: vocabSize,
    token_count: tokens.length,
    rounds: roundCount,
    decode_ms: decodeMs,
    results,
  };
  const path = new URL("../../../../bench/results/processors.json", import.meta.url);
  writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`);
}
