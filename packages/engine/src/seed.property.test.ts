// Chance is a seed's alone: whatever else is asked for or runs beside it, a sequence has the same ids, and none of them was
// impossible.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine } from "./engine.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, hashedLogits } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";
import type { GenerationSettings } from "./valid-generation.ts";

const vocabSize = 30;

/** Some tokens are impossible, and what came before is likely to come again. */
function logitsAfter(history: readonly number[], size: number): Float32Array {
  const logits = hashedLogits(history, size);
  const before = history.lastIndexOf(history.at(-1)!, -2);
  if (before >= 0) logits[history[before + 1]!]! += 4;
  for (let id = history.length % 3; id < size; id += 3) logits[id] = -Infinity;
  return logits;
}

const parameters = fc.record(
  {
    max_new_tokens: fc.integer({ min: 2, max: 16 }),
    temperature: fc.constantFrom(0.3, 1, 2),
    top_k: fc.constantFrom(0, 1, 4),
    top_p: fc.constantFrom(0, 0.5, 1),
    repetition_penalty: fc.constantFrom(1, 1.3),
    eos_token_id: fc.constantFrom(null, 4),
  },
  { requiredKeys: ["max_new_tokens"] },
);
const settings = fc.record(
  {
    minP: fc.constantFrom(0.05, 0.3),
    typicalP: fc.constantFrom(0.2, 0.9),
    epsilonCutoff: fc.constant(0.02),
    etaCutoff: fc.constant(0.02),
    topH: fc.constantFrom(0.3, 0.8),
    noRepeatNgramSize: fc.constant(4),
    suppressedTokenIds: fc.constant([1, 2]),
    removeInvalidValues: fc.constant(true),
    renormalizeLogits: fc.constant(true),
    stopStrings: fc.constant(["\u0007"]),
  },
  { requiredKeys: [] },
);
const prompts = fc.array(fc.nat({ max: vocabSize - 1 }), { minLength: 1, maxLength: 12 });

test("the same seed gives the same ids whatever is returned, drafted, recorded or computed beside it", async () => {
  await fc.assert(
    fc.asyncProperty(
      prompts,
      parameters,
      settings,
      fc.nat(),
      fc.array(prompts, { maxLength: 3 }),
      async (promptIds, given, more, seed, neighbours) => {
        const clock = createFakeClock();
        const runner = createFakeModel({
          vocabSize,
          slotCount: 8,
          logits: logitsAfter,
          beforeDecode: ({ tokenCount }) => clock.advance(10 + tokenCount / 10),
        });
        const vocabulary = createByteTokenizer();
        const engine = createEngine({ runner, vocabulary, clock, integrityChecks: "step" });
        void engine.run();
        let count = 0;
        const submit = (ids: readonly number[], changed: Partial<GenerationSettings>) => {
          const wire = { pad_token_id: 0, eos_token_id: null, ...given, do_sample: true, seed };
          const generation = {
            ...validGeneration(wire, ids.length, { vocabSize }),
            ...more,
            ...changed,
          };
          const id = `generation ${count++}`;
          return engine.submit({
            id,
            promptIds: ids,
            generation,
            owner: "test",
            priority: 0,
            deadlineAtMs: null,
          });
        };
        const alone = await submit(promptIds, {}).result;
        const recordedRows = { outputScores: { topCount: null }, logprobCount: 2 };
        const others = neighbours.map((ids) => submit(ids, { seed: seed + 1 }));
        const many = submit(promptIds, { returnedSequenceCount: 4 });
        const drafted = submit(promptIds, { promptLookup: { draftTokenCount: 5, maxNgramSize: 2 } });
        const recorded = submit(promptIds, recordedRows);
        const streamed: number[] = [];
        for await (const event of recorded) if (event.kind === "text") streamed.push(...event.ids);
        const results = await Promise.all([many.result, drafted.result, recorded.result]);
        for (const { sequences } of results) assert.deepEqual(sequences[0]?.ids, alone.sequences[0]?.ids);
        assert.deepEqual(streamed, alone.sequences[0]?.ids);
        for (const { ids, recorded: kept } of results[2].sequences)
          for (const [step, { scores, logprobs }] of (kept ?? []).entries()) {
            assert.ok((scores as Float32Array)[ids[step]!]! > -Infinity);
            assert.ok(logprobs!.chosen > -Infinity);
          }
        await Promise.all(others.map(({ result }) => result));
        await engine.stop({ drain: true });
      },
    ),
    { numRuns: 60 },
  );
});
