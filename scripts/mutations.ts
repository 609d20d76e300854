// `npm run mutations`: is every boundary of a logits processor, and every place in their order, held by a recorded case,
// and is every rule of beam search and of downloads held by a test?
// Swaps neighbours of the order and turns comparisons, one at a time; each must turn the tests red. `-- --part swaps`,
// `-- --part boundaries`, `-- --part beams` or `-- --part hub` does one part, `-- --every N` each N-th only.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { beamFaults } from "./beam-faults.ts";
import { hubFaults } from "./hub-faults.ts";
import { plantFaults, type Fault } from "./plant-faults.ts";
import { repository } from "./repository.ts";

const folder = "packages/engine/src/logits";
const tests = `${folder}/{processors.oracle,worked-values}.test.ts`;

/** Neighbours whose order makes no difference, by number in the order table, and why. */
const commuting: Readonly<Record<string, string>> = {
  "3 4": "both scale by factors above 0, which leave the sign",
  "4a 4b": "both subtract",
  "4b 5": "a banned score stays -Infinity whatever is subtracted",
  "5 6": "both ban",
  "6 7": "both ban",
  "7 8": "both ban",
  "8 9": "both ban",
  "14 15": "the decay leaves a banned score alone, and a ban forgets the score",
  "15 16": "both ban",
  "16 18": "a banned score stays -Infinity at any temperature",
};

/** The numbers of the order table, row by row. */
const numbers = [
  ...readFileSync(join(repository, folder, "pipeline.ts"), "utf8").matchAll(
    /^  (?:processor|warper)\("(\w+)", /gm,
  ),
].map(([, number]) => number);
if (numbers.length < 27) throw new Error(`Only ${numbers.length} rows of the order table were found.`);

const swaps: readonly Fault[] = numbers.slice(1).flatMap((number, index) => {
  const previous = numbers[index];
  if (`${previous} ${number}` in commuting) return [];
  const swapped = `.with(${index}, order[${index + 1}]!).with(${index + 1}, order[${index}]!)`;
  const text = "  return order\n";
  return [
    {
      name: `${number} acts before ${previous}`,
      file: `${folder}/pipeline.ts`,
      text,
      fault: `  return order${swapped}\n`,
      tests,
    },
  ];
});

/** File, what stands there, and what it is turned into. */
const turns: readonly (readonly [string, string, string])[] = [
  ["token-sequences.ts", "if (start < 0)", "if (start <= 0)"],
  ["sequence-bias.ts", "ids.length > 1)", "ids.length > 2)"],
  ["sequence-bias.ts", "sums.get(id) ?? single.get(id) ?? 0", "sums.get(id) ?? 0"],
  ["bad-words-ids.ts", "ids.length === 1", "ids.length === 0"],
  ["encoder-repetition-penalty.ts", "score < 0 ?", "score > 0 ?"],
  [
    "encoder-repetition-penalty.ts",
    "index < promptTokenCount; index++) {",
    "index < promptTokenCount - 1; index++) {",
  ],
  ["repetition-penalty.ts", "score < 0 ?", "score > 0 ?"],
  [
    "presence-penalty.ts",
    "index = promptTokenCount; index < tokens.length; index++) {",
    "index = 0; index < tokens.length; index++) {",
  ],
  ["frequency-penalty.ts", "if (counts[id] === 0) continue", "if (counts[id]! <= 1) continue"],
  ["ngrams.ts", "if (length < size", "if (length <= size"],
  ["ngrams.ts", "if (matched === patternLength) {", "if (matched === patternLength && index < length - 1) {"],
  ["encoder-no-repeat-ngram-size.ts", "promptTokenCount, tokens", "tokens.length, tokens"],
  ["min-length.ts", "tokens.length < minLength", "tokens.length <= minLength"],
  ["min-new-tokens.ts", "< minNewTokenCount)", "<= minNewTokenCount)"],
  ["forced-bos-token-id.ts", "tokens.length === 1", "tokens.length <= 2"],
  ["forced-eos-token-id.ts", "tokens.length === maxLength - 1", "tokens.length >= maxLength - 1"],
  ["remove-invalid-values.ts", "score > 0 ?", "score < 0 ?"],
  ["exponential-decay-length-penalty.ts", "tokens.length <= start)", "tokens.length <= start + 1)"],
  [
    "exponential-decay-length-penalty.ts",
    "!Number.isFinite(score)) continue",
    "Number.isNaN(score)) continue",
  ],
  ["begin-suppress-tokens.ts", "promptTokenCount > 1 ||", "promptTokenCount >= 1 ||"],
  ["begin-suppress-tokens.ts", "tokens.length === beginIndex", "tokens.length >= beginIndex"],
  ["temperature.ts", "(scores[id]! - shift) / divisor", "(scores[id]! - shift) * divisor"],
  ["top-k.ts", "scores[id]! < threshold", "scores[id]! <= threshold"],
  ["top-k.ts", "Math.max(topK, minKeepCount)", "topK"],
  ["top-p.ts", "Math.fround(mass) > removedMass", "Math.fround(mass) >= removedMass"],
  ["top-p.ts", "rank <= minKeepCount", "rank < minKeepCount"],
  ["top-h.ts", "Math.fround(sum) <= limit", "Math.fround(sum) < limit"],
  ["top-h.ts", "Math.max(1, end", "Math.max(0, end"],
  ["top-h.ts", "topHCandidateCount = 100", "topHCandidateCount = 120"],
  ["min-p.ts", "< least) scores", "<= least) scores"],
  ["min-p.ts", "minKeepCount > 1 ?", "minKeepCount > 2 ?"],
  // The comparisons with it are made twice, for buckets and inside one; both become <= by this.
  ["typical-p.ts", "mass = Math.fround(typicalP)", "mass = Math.fround(typicalP) + 1e-9"],
  ["typical-p.ts", "distances[id]! > greatestKept", "distances[id]! >= greatestKept"],
  ["typical-p.ts", "rank > minKeepCount", "rank >= minKeepCount"],
  ["remove-below.ts", "< least &&", "<= least &&"],
  ["remove-below.ts", "score < keptScore", "score <= keptScore"],
  ["eta-cutoff.ts", "Math.min(most", "Math.max(most"],
  ["kgw-watermark.ts", "tokens.length >= contextWidth", "tokens.length > contextWidth"],
  ["kgw-watermark.ts", "selfhashCandidateCount = 40", "selfhashCandidateCount = 20"],
  ["kgw-watermark.ts", "product < least ?", "product > least ?"],
  ["synthid-watermark.ts", "position < firstMarked", "position <= firstMarked"],
  ["synthid-watermark.ts", "earlier >= historyStart", "earlier > historyStart"],
  ["synthid-watermark.ts", "back <= length", "back < length"],
  ["pipeline.ts", "guidance.scale === 1", "guidance.scale <= 1"],
  ["pipeline.ts", "|| settings.doSample", "|| !settings.doSample"],
];

const boundaries: readonly Fault[] = turns.map(([file, text, fault]) => ({
  name: `${text} becomes ${fault}`,
  file: `${folder}/${file}`,
  text,
  fault,
  tests,
}));

const { values: options } = parseArgs({
  options: {
    part: { type: "string", default: "all" },
    every: { type: "string", default: "1" },
  },
});
const parts: Readonly<Record<string, readonly Fault[]>> = {
  swaps,
  boundaries,
  beams: beamFaults,
  hub: hubFaults,
};
const chosen = options.part === "all" ? Object.values(parts).flat() : parts[options.part];
if (chosen === undefined) throw new Error(`--part is one of ${Object.keys(parts).join(", ")}.`);
for (const [pair, reason] of Object.entries(commuting))
  process.stdout.write(`commute   ${pair}: ${reason}\n`);
const faults = chosen.filter((_, index) => index % Number(options.every) === 0);
process.exitCode = plantFaults(faults) ? 0 : 1;
