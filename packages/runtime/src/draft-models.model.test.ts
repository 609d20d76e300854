// Drafts by real weights: the tiny models' own as draft of themselves, and their quantised ones.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ServingError, type ReplicaConfig } from "@corral/contract";
import { createEngine, type Engine, type ModelRunner } from "@corral/engine";
import { createFakeClock, validGeneration, type FakeClock } from "@corral/engine/testing";
import { loadLlama, quantize, type Llama } from "@corral/llama";
import { loadDraftModels } from "./draft-models.ts";
import { createLog } from "./log.ts";
import { testConfig } from "./testing/test-config.ts";
import { startTinyReplica } from "./testing/tiny-replica.ts";
import { tinyModel, tinyModelNames } from "./testing/tiny-models.ts";

const prompts = [
  "one two three one two three one two",
  "The capital of France is",
  "What is machine learning?",
];
const context = { slotCount: 4, cellCount: 2048, contextLength: 512, maxBatchTokenCount: 256 } as const;

/** By the clock a step costs twenty passes of the draft model, so that drafting pays wherever it is right at all. */
function timed(runner: ModelRunner, clock: FakeClock, tookMs: number): ModelRunner {
  return {
    ...runner,
    limits: runner.limits,
    async decode(plan) {
      const outputs = await runner.decode(plan);
      clock.advance(tookMs);
      return outputs;
    },
    copySequence: (...call) => runner.copySequence(...call),
    removeSequence: (...call) => runner.removeSequence(...call),
    saveSequence: (slot) => runner.saveSequence(slot),
    restoreSequence: (...call) => runner.restoreSequence(...call),
    [Symbol.dispose]: () => runner[Symbol.dispose](),
  };
}

test("a replica loads a draft model beside its model, and calls that name it answer as without", async () => {
  const [name] = tinyModelNames;
  const { path, sha256 } = tinyModel(name);
  await using replica = await startTinyReplica(name, { draft_models: [{ name: "own", path, sha256 }] });
  for (const [seed, prompt] of prompts.entries()) {
    for (const way of [{ do_sample: false }, { do_sample: true, seed }]) {
      const body = { prompt, max_new_tokens: 24, ...way };
      const plain = await replica.idsOf(body);
      assert.deepEqual(await replica.idsOf({ ...body, assistant_model: "own" }), plain);
    }
  }
});

test("a draft model gets a shorter context where memory is short, and is left out where none fits", async () => {
  const [name] = tinyModelNames;
  const { path, sha256 } = tinyModel(name);
  const config = testConfig("/nowhere", { draft_models: [{ name: "own", path, sha256 }] });
  using model = await loadLlama({ path });
  const lines: string[] = [];
  const load = async (longest: number) => {
    const createRunner = (given: ReplicaConfig, llama: Llama) => {
      const contextLength = given.limits.context_length!;
      if (contextLength > longest) throw new ServingError("context_too_large", "No memory.");
      return llama.createRunner({ ...context, contextLength, precision: "default", threadCount: 1 });
    };
    const log = createLog("warn", (line) => lines.push(line));
    const { signal } = new AbortController();
    using drafts = await loadDraftModels(config, model, {
      signal,
      log,
      means: {},
      offloaded: false,
      createRunner: async (given, llama) => await createRunner(given, llama),
    });
    return drafts.runners.get("own")?.limits.contextLength ?? null;
  };
  const length = await load(300);
  assert.ok(length !== null && length >= 150 && length <= 300, `${length}`);
  assert.deepEqual(lines, []);
  assert.equal(await load(10), null);
  assert.match(lines.join(), /draft model is left out.*own.*No memory/);
});

test("a draft model whose weights changed ends the load with the reason", async () => {
  const [name] = tinyModelNames;
  const { path } = tinyModel(name);
  const changed = [{ name: "own", path, sha256: "0".repeat(64) }];
  await assert.rejects(startTinyReplica(name, { draft_models: changed }), /has sha256/);
});

for (const name of tinyModelNames) {
  describe(name, () => {
    const directory = mkdtempSync(join(tmpdir(), "corral-draft-"));
    const resources = new DisposableStack();
    const clock = createFakeClock();
    let llama: Llama;
    let engine: Engine;
    before(async () => {
      const { path } = tinyModel(name);
      const small = join(directory, "q4.gguf");
      await quantize({ source: path, target: small, quantization: "q4_0" });
      const open = async (file: string, tookMs: number) => {
        const loaded = resources.use(await loadLlama({ path: file, float32Weights: true }));
        const runner = await loaded.createRunner({ ...context, precision: "reference", threadCount: 1 });
        return { loaded, runner: timed(resources.use(runner), clock, tookMs) };
      };
      const main = await open(path, 20);
      llama = main.loaded;
      const own = await open(path, 1);
      const quantised = await open(small, 1);
      engine = createEngine({
        runner: main.runner,
        draftRunners: new Map([
          ["own", own.runner],
          ["quantised", quantised.runner],
        ]),
        vocabulary: llama.vocabulary,
        clock,
        integrityChecks: "step",
      });
      void engine.run();
    });
    after(async () => {
      await engine.stop({ drain: false });
      resources.dispose();
      rmSync(directory, { recursive: true, force: true });
    });

    async function idsOf(prompt: string, parameters: object, draft: string | null) {
      const promptIds = llama.vocabulary.tokenize(prompt, {
        addSpecialTokens: true,
        parseSpecialTokens: false,
      });
      const vocabSize = llama.vocabulary.tokenCount;
      const assisted = draft === null ? {} : { assistant_model: draft, assistant_confidence_threshold: 0 };
      const given = {
        max_new_tokens: 48,
        seed: 3,
        eos_token_id: null,
        pad_token_id: 0,
        ...parameters,
        ...assisted,
      };
      const limits = { vocabSize, draftModels: ["own", "quantised"] };
      const generation = validGeneration(given, promptIds.length, limits);
      const request = { id: "one", promptIds, generation, owner: "test", priority: 0, deadlineAtMs: null };
      const { sequences, error } = await engine.submit(request).result;
      assert.equal(error, null);
      return sequences.map(({ ids }) => ids);
    }

    for (const draft of ["own", "quantised"]) {
      for (const parameters of [{}, { do_sample: true, temperature: 0.7 }, { do_sample: true }]) {
        const way = JSON.stringify(parameters);
        test(`drafts of its ${draft} weights give the very ids of plain decoding: ${way}`, async (t) => {
          const before = engine.load();
          for (const prompt of prompts)
            assert.deepEqual(await idsOf(prompt, parameters, draft), await idsOf(prompt, parameters, null));
          const { draftedTokenCount, acceptedTokenCount } = engine.load();
          const drafted = draftedTokenCount - before.draftedTokenCount;
          const accepted = acceptedTokenCount - before.acceptedTokenCount;
          t.diagnostic(`${accepted} of ${drafted} drafted tokens were right`);
          assert.ok(drafted > 0);
          if (draft === "own") assert.ok(accepted >= 0.9 * drafted, `${accepted} of ${drafted}`);
        });
      }
    }
  });
}
