// Group and constrained beam search at `reference` precision give, id for id, what transformers 4.46 gave, and its
// scores. Recorded by scripts/oracle/record_beams_4_46.py.

import { createEngine, resolveGeneration, type Engine } from "@corral/engine";
import { loadLlama, type Llama } from "@corral/llama";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readOracle, tinyModel, tinyModelNames } from "./testing/tiny-models.ts";

interface RecordedBeam {
  /** New ids, without the end token that finished the row. */
  readonly ids: readonly number[];
  readonly is_ended: boolean;
  readonly score: number;
}

interface BeamCase {
  readonly kind: "group" | "constrained";
  readonly name: string;
  readonly prompt: string;
  readonly input_ids: readonly number[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly rows: readonly RecordedBeam[];
  /** Noise of another implementation turns it. */
  readonly near_tie?: true;
}

interface BeamRecord {
  readonly origin: { readonly sha256: string; readonly transformers: string };
  readonly cases: readonly BeamCase[];
}

const records = new Map(
  tinyModelNames.map((name) => [
    name,
    readOracle<BeamRecord>(`beams-4-46-${name.replace("corral-", "")}.json`),
  ]),
);
/** Of a score; one that is not divided by its length is a sum of so many errors. */
const tolerance = 1e-4;

for (const name of tinyModelNames) {
  describe(name, () => {
    const record = records.get(name)!;
    const model = tinyModel(name);
    let llama: Llama;
    let engine: Engine;
    let dispose: () => void;
    before(async () => {
      llama = await loadLlama({ path: model.path, float32Weights: true });
      const runner = await llama.createRunner({
        slotCount: 16,
        cellCount: 4_096,
        precision: "reference",
        threadCount: 1,
      });
      engine = createEngine({ runner, vocabulary: llama.vocabulary, integrityChecks: "step" });
      const running = engine.run();
      running.catch(() => {});
      dispose = () => {
        runner[Symbol.dispose]();
        llama[Symbol.dispose]();
      };
    });
    after(async () => {
      await engine.stop({ drain: false });
      dispose();
    });

    test("the record is of these weights, and of transformers 4.46", () => {
      assert.equal(record.origin.sha256, model.sha256, "record it again with record_beams_4_46.py");
      assert.match(record.origin.transformers, /^4\.46\./);
    });

    for (const recorded of record.cases) {
      const { input_ids: promptIds, parameters, rows } = recorded;
      test(`${recorded.kind}: ${recorded.name} · ${recorded.prompt}`, async () => {
        const resolved = resolveGeneration({
          parameters,
          modelConfig: model.generationConfig,
          promptTokenCount: promptIds.length,
          lastPromptId: promptIds.at(-1),
          limits: {
            contextLength: 2_048,
            vocabSize: llama.info.vocabSize,
            maxSequenceCount: 16,
            cellCount: 4_096,
          },
          endOfGenerationIds: [],
        });
        assert.ok(resolved.kind === "valid", JSON.stringify(resolved));
        const { generation } = resolved;
        const result = await engine.submit({
          id: `${recorded.kind} ${recorded.name}`,
          promptIds,
          generation,
          owner: "test",
          priority: 0,
          deadlineAtMs: null,
        }).result;
        assert.equal(result.error, null);
        assert.equal(result.sequences.length, rows.length);
        if (recorded.near_tie === true) return;
        for (const [row, { ids, is_ended, score }] of rows.entries()) {
          const given = result.sequences[row]!;
          const isEnded = generation.endTokenIds.includes(given.ids.at(-1) ?? -1);
          assert.deepEqual(isEnded ? given.ids.slice(0, -1) : given.ids, ids, `row ${row}`);
          assert.equal(isEnded, is_ended, `row ${row} has ended`);
          const allowed = tolerance * Math.max(1, Math.abs(score));
          assert.ok(
            Math.abs(given.beam!.score - score) <= allowed,
            `row ${row} has the score ${given.beam!.score}, recorded ${score}`,
          );
          assert.equal(given.beam!.indices.length, given.ids.length);
        }
        assert.equal(engine.load().usedCellCount, 0);
      });
    }
  });
}

test("there are 40 cases of each kind, and at most 4 % of them are near ties", () => {
  const cases = [...records.values()].flatMap((record) => record.cases);
  for (const kind of ["group", "constrained"])
    assert.ok(cases.filter((each) => each.kind === kind).length >= 40, kind);
  const ties = cases.filter(({ near_tie }) => near_tie === true);
  assert.ok(ties.length <= 0.04 * cases.length, `${ties.length} of ${cases.length}`);
});
