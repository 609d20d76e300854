// Whole calls of `generate` on the replica at `reference` precision give, id for id, what transformers gave.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  readGenerateRecord,
  titleOf,
  type GenerateCase,
  type RecordedRow,
} from "./testing/generate-cases.ts";
import { oracleReplica } from "./testing/oracle-replica.ts";
import { tinyModelNames } from "./testing/tiny-models.ts";

const records = new Map(tinyModelNames.map((name) => [name, readGenerateRecord(name)]));
/** Scores are processed logits: a processor may multiply the noise of logits, which is below 1e-4. */
const tolerance = 2e-3;

/**
 * In the order of transformers, by its names, where that order matters; of those that ban tokens only, or scale by the
 * sign, any order is the same. The renormalization comes after all of them.
 */
const neighbours = [
  ["UnbatchedClassifierFreeGuidanceLogitsProcessor", "SequenceBiasLogitsProcessor"],
  ["SequenceBiasLogitsProcessor", "EncoderRepetitionPenaltyLogitsProcessor"],
  ["SequenceBiasLogitsProcessor", "RepetitionPenaltyLogitsProcessor"],
  ["MinNewTokensLengthLogitsProcessor", "ForcedBOSTokenLogitsProcessor"],
  ["MinNewTokensLengthLogitsProcessor", "ForcedEOSTokenLogitsProcessor"],
  ["ForcedBOSTokenLogitsProcessor", "ForcedEOSTokenLogitsProcessor"],
  ["ForcedEOSTokenLogitsProcessor", "InfNanRemoveLogitsProcessor"],
  ["InfNanRemoveLogitsProcessor", "ExponentialDecayLengthPenalty"],
  ["ForcedEOSTokenLogitsProcessor", "SuppressTokensLogitsProcessor"],
  ["TemperatureLogitsWarper", "TopHLogitsWarper"],
  ["TopHLogitsWarper", "TopKLogitsWarper"],
  ["TopKLogitsWarper", "TopPLogitsWarper"],
  ["TopPLogitsWarper", "MinPLogitsWarper"],
  ["MinPLogitsWarper", "TypicalLogitsWarper"],
  ["TypicalLogitsWarper", "EpsilonLogitsWarper"],
  ["EpsilonLogitsWarper", "EtaLogitsWarper"],
  ["EtaLogitsWarper", "WatermarkLogitsProcessor"],
  ["WatermarkLogitsProcessor", "LogitNormalization"],
] as const;

/** Known rows with their values, whatever the order of equal ones. */
function assertRow(given: readonly (number | null)[], expected: RecordedRow, what: string): void {
  const alive = given.filter((score) => score !== null).length;
  assert.equal(alive, expected.count, `${what}: so many scores are above -Infinity`);
  for (const [index, id] of expected.ids.entries()) {
    const score = given[id];
    const wanted = expected.values[index]!;
    const allowed = tolerance * Math.max(1, Math.abs(wanted) / 100);
    assert.ok(
      score !== null && score !== undefined && Math.abs(score - wanted) <= allowed,
      `${what}: the score of ${id} is ${score}, recorded ${wanted}`,
    );
  }
}

/** Up to the first step that noise may turn. */
function firmPart(ids: readonly number[], promptLength: number, { near_tie_at }: GenerateCase) {
  return near_tie_at === undefined ? ids : ids.slice(0, promptLength + near_tie_at);
}

for (const name of tinyModelNames) {
  describe(name, { concurrency: 24 }, () => {
    const record = records.get(name)!;
    const replica = oracleReplica(name);

    test("the record is of these weights", () => {
      assert.equal(
        record.origin.sha256,
        replica.sha256,
        "record it again with scripts/oracle/record_generate.py",
      );
    });

    for (const recorded of record.cases) {
      test(titleOf(recorded), async () => {
        const { input_ids, parameters, new_ids, near_tie_at } = recorded;
        const body = { input_ids, return_tensors: true, ...parameters };
        const answer = await replica.call(body);
        assert.equal(answer.status, 200, answer.text);
        if (new_ids !== undefined) {
          const rows = input_ids.some(Array.isArray) ? input_ids : new_ids.map(() => input_ids);
          for (const [index, prompt] of (rows as readonly (readonly number[])[]).entries()) {
            const given = answer.json.result[index].generated_token_ids as number[];
            const expected: readonly number[] = [...prompt, ...new_ids[index]!];
            assert.deepEqual(
              firmPart(given, prompt.length, recorded),
              firmPart(expected, prompt.length, recorded),
            );
          }
          assert.equal(answer.json.result.length, new_ids.length);
        }
        if (near_tie_at !== undefined) return;
        for (const kind of ["scores", "logits"] as const) {
          for (const [step, row] of (recorded[kind] ?? []).entries()) {
            assertRow(answer.json[kind][step][0], row, `${kind} of step ${step}`);
          }
        }
      });
    }
  });
}

test("there are at least 300 cases, and at most 4 % of them are near ties", () => {
  const cases = [...records.values()].flatMap(({ cases }) => cases);
  assert.ok(cases.length >= 300, `${cases.length} cases`);
  const ties = cases.filter(({ near_tie_at }) => near_tie_at !== undefined);
  assert.ok(ties.length <= 0.04 * cases.length, `${ties.length} of ${cases.length}`);
});

test("the other order of two neighbours that do not commute would turn a case red", () => {
  const shown = new Set(
    [...records.values()].flatMap(({ cases }) => cases.flatMap(({ swap }) => swap?.processors.join() ?? [])),
  );
  assert.deepEqual(
    neighbours.filter((pair) => !shown.has(pair.join())),
    [],
  );
});
