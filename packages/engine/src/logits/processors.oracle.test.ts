// Against transformers' own processors, recorded by scripts/oracle/record_processors.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { LogitsProcessor } from "./processor.ts";
import { createRepetitionPenalty } from "./repetition-penalty.ts";
import { createTemperature } from "./temperature.ts";
import { createTopK } from "./top-k.ts";
import { createTopP } from "./top-p.ts";

interface ProcessorRecord {
  readonly origin: { readonly transformers: string };
  readonly vocabulary_size: number;
  readonly cases: readonly {
    readonly ids: readonly number[];
    /** Null is -Infinity. */
    readonly scores: readonly (number | null)[];
    readonly outputs: readonly {
      readonly processor: string;
      readonly value: number;
      readonly scores: readonly (number | null)[];
    }[];
  }[];
}

const recordPath = new URL("../../test-data/oracle/processors.json", import.meta.url);
const record = JSON.parse(readFileSync(recordPath, "utf8")) as ProcessorRecord;

const processors: Readonly<Record<string, (value: number, vocabSize: number) => LogitsProcessor>> = {
  repetition_penalty: createRepetitionPenalty,
  temperature: createTemperature,
  top_k: (value) => createTopK(value, 1),
  top_p: (value, vocabSize) => createTopP(value, 1, new Float64Array(vocabSize)),
};

function floats(scores: readonly (number | null)[]): Float32Array {
  return Float32Array.from(scores, (score) => score ?? -Infinity);
}

/** torch.sort is not stable: which of several equal scores at the cut of top_p stay is an accident of its build. */
function hasTies(row: Float32Array): boolean {
  const finite = row.filter((score) => score > -Infinity);
  return new Set(finite).size < finite.length;
}

for (const name of Object.keys(processors)) {
  test(`${name} gives the scores of transformers ${record.origin.transformers}, bit for bit`, () => {
    let compared = 0;
    for (const [index, { ids, scores, outputs }] of record.cases.entries()) {
      for (const output of outputs.filter(({ processor }) => processor === name)) {
        const row = floats(scores);
        processors[name]!(output.value, record.vocabulary_size).process(row, ids);
        const expected = floats(output.scores);
        const isUnordered = name === "top_p" && hasTies(floats(scores));
        assert.deepEqual(
          isUnordered ? row.toSorted() : row,
          isUnordered ? expected.toSorted() : expected,
          `case ${index}, ${name} ${output.value}`,
        );
        compared += 1;
      }
    }
    assert.ok(compared > 0, `the record has no case of ${name}`);
  });
}

test("every recorded processor is compared", () => {
  const recorded = new Set(record.cases.flatMap(({ outputs }) => outputs.map(({ processor }) => processor)));
  assert.deepEqual([...recorded].sort(), Object.keys(processors).sort());
});
