// Calls with beams on the replica at `reference` precision give, id for id, what transformers gave: every returned
// sequence, its score and the beams that it came by.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readBeamRecord, titleOf, type BeamCase } from "./testing/generate-cases.ts";
import { oracleReplica } from "./testing/oracle-replica.ts";
import { tinyModelNames } from "./testing/tiny-models.ts";

const records = new Map(tinyModelNames.map((name) => [name, readBeamRecord(name)]));
/** Of a score up to 1; larger ones are sums of several errors. */
const tolerance = 1e-4;
const dictionary = { return_dict_in_generate: true, output_scores: true, scores_top_n: 1 };

interface BeamAnswer {
  readonly result: readonly { readonly generated_token_ids: readonly number[] }[];
  readonly sequences_scores: readonly number[];
  readonly beam_indices: readonly (readonly number[])[];
}

function assertRecorded({ result, sequences_scores, beam_indices }: BeamAnswer, recorded: BeamCase): void {
  const { input_ids: prompt, new_ids, near_tie_at } = recorded;
  assert.equal(result.length, new_ids.length);
  // Noise may change which sequences are returned.
  if (near_tie_at !== undefined) return;
  for (const [row, ids] of new_ids.entries()) {
    const given = result[row]!.generated_token_ids.slice(prompt.length);
    assert.deepEqual(given.slice(0, ids.length), ids, `row ${row}`);
    const filler = given.slice(ids.length);
    assert.ok(filler.every((id) => id === filler[0] && id >= 0));
    const wanted = recorded.sequences_scores[row]!;
    const allowed = tolerance * Math.max(1, Math.abs(wanted));
    const score = sequences_scores[row]!;
    assert.ok(Math.abs(score - wanted) <= allowed, `row ${row} is worth ${score}, recorded ${wanted}`);
    assert.deepEqual(
      beam_indices[row]!.slice(0, ids.length),
      recorded.beam_indices[row],
      `beams of row ${row}`,
    );
    assert.ok(beam_indices[row]!.slice(ids.length).every((beam) => beam === -1));
  }
}

for (const name of tinyModelNames) {
  describe(name, { concurrency: 12 }, () => {
    const record = records.get(name)!;
    const replica = oracleReplica(name, { slot_count: 16 });

    test("the record is of these weights", () => {
      assert.equal(
        record.origin.sha256,
        replica.sha256,
        "record it again with scripts/oracle/record_beams.py",
      );
    });

    for (const recorded of record.cases) {
      test(titleOf(recorded), async () => {
        const { input_ids, parameters } = recorded;
        const answer = await replica.call({ input_ids, return_tensors: true, ...dictionary, ...parameters });
        assert.equal(answer.status, 200, answer.text);
        assertRecorded(answer.json, recorded);
      });
    }
  });
}

test("there are at least 250 cases, and at most 4 % of them are near ties", () => {
  const cases = [...records.values()].flatMap((record) => record.cases);
  assert.ok(cases.length >= 250, `${cases.length} cases`);
  const ties = cases.filter(({ near_tie_at }) => near_tie_at !== undefined);
  assert.ok(ties.length <= 0.04 * cases.length, `${ties.length} of ${cases.length}`);
});

test("the three values of early_stopping each give other sequences for one setting", () => {
  for (const { cases } of records.values()) {
    const apart = cases.filter((recorded) => recorded.name.startsWith("only early_stopping differs"));
    const settings = apart.map(({ parameters: { early_stopping: _, ...rest } }) => JSON.stringify(rest));
    assert.equal(new Set(settings).size, 1);
    assert.deepEqual(
      apart.map(({ parameters }) => parameters["early_stopping"]),
      [false, true, "never"],
    );
    assert.equal(new Set(apart.map(({ new_ids }) => JSON.stringify(new_ids))).size, 3);
  }
});
