// Stop strings are met after the same tokens as in transformers, with the vocabularies of the tiny models' GGUFs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createStopStringSearch } from "@corral/engine/testing";
import { loadLlama } from "@corral/llama";
import { readOracle, tinyModel, tinyModelNames } from "./testing/tiny-models.ts";

interface Recording {
  readonly cases: readonly {
    readonly stop_strings: readonly string[];
    readonly ids: readonly number[];
    /** Numbers of tokens after which the criterion holds. */
    readonly met_after: readonly number[];
  }[];
}

for (const name of tinyModelNames) {
  test(`${name}: a stop string is met after the tokens that transformers finds it after`, async () => {
    const { cases } = readOracle<Recording>(`stop-strings-${name.replace("corral-", "")}.json`);
    assert.ok(cases.filter(({ met_after }) => met_after.length > 0).length >= 20, "the recording has cases");
    using llama = await loadLlama({ path: tinyModel(name).path });
    for (const { stop_strings, ids, met_after } of cases) {
      const search = createStopStringSearch(llama.vocabulary, stop_strings);
      const found = ids.flatMap((id, index) =>
        search.isCompletedBy(ids.slice(0, index), id) ? [index + 1] : [],
      );
      assert.deepEqual(found, met_after, JSON.stringify({ stop_strings, ids }));
    }
  });
}
