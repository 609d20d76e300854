import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { createStepPlan, type ModelRunner, type StepPlan } from "@corral/engine";

import { type ContextOptions, type Llama, loadLlama } from "./index.ts";
import { decodePasses } from "./decode-passes.ts";
import type { LlamaRunner } from "./runner.ts";
import { missingTinyModels, tinyModelPath } from "./testing/tiny-models.ts";

const skip = missingTinyModels();
const skipThreads =
  skip !== false ? skip : process.platform !== "linux" && "threads are seen in Linux's /proc";

/** What the order of float32 sums may change; with f16 weights it would be 5e-3, as activations are rounded to f16. */
const tolerance = 1e-4;

/** A runner over the tiny BPE model with its own weights; both go with the returned value. */
async function open(options: Partial<ContextOptions> = {}) {
  const llama = await loadLlama({ path: tinyModelPath("corral-tiny-3"), float32Weights: true });
  const runner = await openRunner(llama, options);
  return {
    llama,
    runner,
    [Symbol.dispose]() {
      runner[Symbol.dispose]();
      llama[Symbol.dispose]();
    },
  };
}

/** One thread: the machine that runs the tests has other work. */
function openRunner(llama: Llama, options: Partial<ContextOptions> = {}): Promise<ModelRunner> {
  return llama.createRunner({
    slotCount: 8,
    cellCount: 512,
    precision: "reference",
    threadCount: 1,
    ...options,
  });
}

/** With heads as small as these models have, nothing would be computed apart. */
const attention = {
  headCount: 512,
  headLength: 128,
  microBatchTokenCount: 512,
  passNs: 0,
  skipsUnseen: false,
};

function at(slot: number, start: number, tokens: number[], outputs: number[] = []) {
  return [slot, start, tokens, outputs] as [number, number, number[], number[]];
}

/** Some token ids, different for every seed. */
function someTokens(llama: Llama, count: number, seed = 1): number[] {
  return Array.from({ length: count }, (_, index) => (index * 31 + seed * 17) % llama.info.vocabSize);
}

function step(
  ...entries: [slot: number, start: number, tokens: readonly number[], outputs?: readonly number[]][]
): StepPlan {
  return createStepPlan(
    entries.map(([slot, start, tokens, outputs = []]) => ({ slot, start, tokens, outputs })),
  );
}

/** Computes tokens in chunks; the logits after the last of them, copied. */
async function compute(
  runner: ModelRunner,
  slot: number,
  tokens: readonly number[],
  chunkLength = 512,
  start = 0,
) {
  for (let offset = 0; ; offset += chunkLength) {
    const chunk = tokens.slice(offset, offset + chunkLength);
    const isLast = offset + chunkLength >= tokens.length;
    const outputs = await runner.decode(
      step([slot, start + offset, chunk, isLast ? [chunk.length - 1] : []]),
    );
    if (isLast) return outputs.logits(0).slice();
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

function argmax(logits: Float32Array): number {
  return logits.indexOf(logits.reduce((most, value) => Math.max(most, value), -Infinity));
}

test("a prompt in chunks gives the logits of the prompt in one piece", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  const prompt = someTokens(llama, 60);
  const whole = await compute(runner, 0, prompt);
  assert.equal(whole.length, llama.info.vocabSize);
  for (const [index, chunkLength] of [1, 2, 8, 30].entries()) {
    const chunked = await compute(runner, index + 1, prompt, chunkLength);
    const difference = largestDifference(whole, chunked);
    assert.ok(difference < tolerance, `chunks of ${chunkLength} differ by ${difference}`);
  }
});

test("every requested row of one entry is the row of its own token", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  const prompt = someTokens(llama, 6);
  const outputs = await runner.decode(step([0, 0, prompt, [1, 4, 5]], [2, 0, prompt.slice(0, 5), [4]]));
  assert.equal(outputs.rowCount, 4);
  const rows = [0, 1, 2, 3].map((row) => outputs.logits(row).slice());
  for (const [row, length] of [2, 5, 6, 5].entries()) {
    const alone = await compute(runner, 4 + row, prompt.slice(0, length));
    assert.ok(largestDifference(rows[row]!, alone) < 1e-4, `row ${row}`);
  }
});

test(
  "embeddings are hidden states of the wanted tokens, and rows of logits beside them stay as they are",
  { skip },
  async () => {
    using opened = await open();
    const { runner, llama } = opened;
    const [prompt, other] = [someTokens(llama, 9), someTokens(llama, 7, 2)];
    const [from, to] = [4, 9];
    const embedded = {
      slot: 1,
      start: 0,
      tokens: prompt,
      outputs: [from, to - 1],
      outputKind: "embedding" as const,
    };
    const plain = { slot: 0, start: 0, tokens: other, outputs: [6] };
    const outputs = await runner.decode(createStepPlan([embedded, plain]));
    assert.equal(outputs.rowCount, 3);
    const states = [1, 2].map((row) => outputs.embedding(row).slice());
    assert.equal(states[0]!.length, llama.info.embeddingLength);
    assert.ok(largestDifference(outputs.logits(0), await compute(runner, 2, other)) < tolerance);
    assert.throws(() => outputs.embedding(0), { code: "engine_misuse" });
    for (const [index, length] of [from + 1, to].entries()) {
      const tokens = prompt.slice(0, length);
      const slot = 3 + index;
      const alone = { slot, start: 0, tokens, outputs: [length - 1], outputKind: "embedding" as const };
      const row = (await runner.decode(createStepPlan([alone]))).embedding(0).slice();
      assert.ok(largestDifference(states[index]!, row) < tolerance, `${length} tokens`);
      runner.removeSequence(slot, { start: length - 1, end: length });
      const logits = (await runner.decode(step([slot, length - 1, tokens.slice(-1), [0]]))).logits(0);
      assert.ok(
        largestDifference(logits, await compute(runner, 5 + index, tokens)) < tolerance,
        "cells are as ever",
      );
    }
  },
);

test("sequences decoded together continue as they would alone", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  const prompts = [5, 17, 1, 40].map((length, seed) => someTokens(llama, length, seed));
  const sequences = prompts.map((prompt) => [...prompt]);
  let starts = prompts.map(() => 0);
  for (let round = 0; round < 8; round += 1) {
    const outputs = await runner.decode(
      step(
        ...sequences.map((sequence, slot): [number, number, number[], number[]] => {
          const tokens = sequence.slice(starts[slot]);
          return [slot, starts[slot]!, tokens, [tokens.length - 1]];
        }),
      ),
    );
    starts = sequences.map((sequence) => sequence.length);
    sequences.forEach((sequence, slot) => sequence.push(argmax(outputs.logits(slot))));
  }
  using alone = await openRunner(llama);
  for (const [slot, sequence] of sequences.entries()) {
    const length = prompts[slot]!.length;
    for (let end = length; end < sequence.length; end += 1) {
      const start = end === length ? 0 : end - 1;
      const logits = await compute(alone, slot, sequence.slice(start, end), 512, start);
      const best = logits[argmax(logits)]!;
      assert.ok(best - logits[sequence[end]!]! < tolerance, `slot ${slot}, position ${end}`);
    }
  }
});

test(
  "next tokens beside a prompt, computed apart from it, have the rows that they have alone",
  { skip },
  async () => {
    const room = { precision: "default", slotCount: 24, cellCount: 2_048, contextLength: 128 } as const;
    using opened = await open({ ...room, attention });
    const { runner, llama } = opened;
    const prompts = Array.from({ length: 20 }, (_, slot) => someTokens(llama, 60 + slot, slot));
    for (const [slot, prompt] of prompts.entries()) await compute(runner, slot, prompt);
    const long = [someTokens(llama, 70, 31), someTokens(llama, 75, 32)];
    const next = prompts.map((prompt, slot): [number, number, number[], number[]] => [
      slot,
      prompt.length,
      [7],
      [0],
    ]);
    const plan = step(
      ...next,
      [20, 0, long[0]!, [3, 69]],
      [22, 0, long[1]!, [74]],
      [21, 0, someTokens(llama, 16, 33)],
    );
    const outputs = await runner.decode(plan);
    assert.equal(outputs.rowCount, 23);
    const rows = Array.from({ length: 23 }, (_, row) => outputs.logits(row).slice());
    const ofFirstPass = outputs.logits(20);
    const others = someTokens(llama, 30, 34);
    await runner.decode(step([23, 0, others, [...others.keys()]]));
    assert.deepEqual(ofFirstPass, rows[20], "a copy: the prompts were a pass of their own");
    using alone = await openRunner(llama, { ...room, attention: null });
    const texts = [...prompts.map((prompt) => [...prompt, 7]), long[0]!.slice(0, 4), long[0]!, long[1]!];
    for (const [row, text] of texts.entries()) {
      const difference = largestDifference(rows[row]!, await compute(alone, 0, text));
      assert.ok(difference < 0.05, `row ${row} differs by ${difference}`);
      alone.removeSequence(0);
    }
  },
);

test(
  "what follows mingled conversations, cut over several passes, has the rows that it has alone",
  { skip },
  async () => {
    const room = { precision: "default", slotCount: 24, cellCount: 2_048, contextLength: 256 } as const;
    using opened = await open({ ...room, attention });
    const { llama } = opened;
    const runner = opened.runner as LlamaRunner;
    const told = Array.from({ length: 20 }, (_, slot) => someTokens(llama, 60, slot));
    for (let position = 0; position < 60; position += 1)
      await runner.decode(step(...told.map(({ [position]: token }, slot) => at(slot, position, [token!]))));
    const turns = [someTokens(llama, 100, 31), someTokens(llama, 100, 32)];
    const plan = step(
      ...told.slice(0, 18).map((_, slot) => at(slot, 60, [7], [0])),
      at(18, 60, turns[0]!, [20]),
      at(19, 60, turns[1]!, [99]),
    );
    const passes = decodePasses(plan, {
      maxRowCount: 512,
      apart: { attention, layout: runner.cells!, mostCopiedRowCount: 32 },
    });
    assert.equal(passes.length, 5, "four of the turns, and one of the next tokens");
    const outputs = await runner.decode(plan);
    const rows = Array.from({ length: 20 }, (_, row) => outputs.logits(row).slice());
    using alone = await openRunner(llama, { ...room, attention: null });
    const texts = told.map((text, slot) => {
      if (slot < 18) return [...text, 7];
      return [...text, ...(slot === 18 ? turns[0]!.slice(0, 21) : turns[1]!)];
    });
    for (const [row, text] of texts.entries()) {
      const difference = largestDifference(rows[row]!, await compute(alone, 0, text));
      assert.ok(difference < 0.05, `row ${row} differs by ${difference}`);
      alone.removeSequence(0);
    }
    const after = await compute(runner, 19, [9], 512, 160);
    assert.ok(
      largestDifference(after, await compute(alone, 0, [...texts[19]!, 9])) < 0.05,
      "the turn's cells",
    );
  },
);

test("a copied prefix continues exactly like its source", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  const prompt = someTokens(llama, 50);
  await compute(runner, 0, prompt);
  runner.copySequence(0, 3, { start: 0, end: 50 });
  runner.copySequence(0, 5, { start: 0, end: 20 });
  const own = await compute(runner, 0, [7], 1, 50);
  const copied = await compute(runner, 3, [7], 1, 50);
  assert.ok(largestDifference(own, copied) < 1e-5);
  const partly = await compute(runner, 5, [...prompt.slice(20), 7], 512, 20);
  assert.ok(largestDifference(own, partly) < tolerance);
});

test("a sequence rolled back and decoded again gives the same logits", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  const prompt = someTokens(llama, 30);
  const first = await compute(runner, 0, prompt);
  await compute(runner, 0, [1, 2, 3], 512, 30);
  runner.removeSequence(0, { start: 29, end: 33 });
  assert.ok(largestDifference(first, await compute(runner, 0, prompt.slice(29), 1, 29)) < tolerance);
  runner.removeSequence(0, { start: 20, end: 30 });
  assert.ok(largestDifference(first, await compute(runner, 0, prompt.slice(20), 512, 20)) < 1e-4);
});

test("copies share cells, so that many fit where one does", { skip }, async () => {
  using opened = await open({ cellCount: 256 });
  const { runner, llama } = opened;
  await compute(runner, 0, someTokens(llama, 200));
  for (let slot = 1; slot < 8; slot += 1) runner.copySequence(0, slot, { start: 0, end: 200 });
  const outputs = await runner.decode(
    step(
      ...Array.from({ length: 8 }, (_, slot): [number, number, number[], number[]] => [
        slot,
        200,
        [slot],
        [0],
      ]),
    ),
  );
  assert.equal(outputs.rowCount, 8);
});

test(
  "a full cache refuses a step, changes nothing, and serves again once cells are freed",
  { skip },
  async () => {
    using opened = await open({ cellCount: 256 });
    const { runner, llama } = opened;
    const prompt = someTokens(llama, 56, 2);
    await compute(runner, 0, someTokens(llama, 200));
    await compute(runner, 1, prompt);
    const refused = step([1, 56, [5, 6], [1]], [2, 0, [1]]);
    await assert.rejects(runner.decode(refused), {
      code: "out_of_cells",
      message: /256 cells .* 3 more tokens/,
    });
    await assert.rejects(runner.decode(refused), { code: "out_of_cells" });
    runner.removeSequence(0, { start: 197, end: 200 });
    const after = (await runner.decode(refused)).logits(0).slice();
    await assert.rejects(runner.decode(step([0, 197, [1]])), { code: "out_of_cells" });
    runner.removeSequence(0);
    await runner.decode(step([0, 0, [1], [0]]));
    using alone = await openRunner(llama);
    assert.ok(largestDifference(after, await compute(alone, 0, [...prompt, 5, 6])) < 1e-4);
  },
);

test(
  "a step whose second pass finds no cells changes nothing, and works once there are some",
  { skip },
  async () => {
    const room = { precision: "default", slotCount: 16, cellCount: 256, contextLength: 128 } as const;
    using opened = await open({ ...room, attention });
    const { runner, llama } = opened;
    const texts = Array.from({ length: 10 }, (_, slot) => someTokens(llama, 13, slot));
    for (const [slot, text] of texts.entries()) await compute(runner, slot, text);
    await compute(runner, 15, someTokens(llama, 20, 40));
    const prompt = someTokens(llama, 100, 41);
    const plan = step(
      ...texts.map((text, slot): [number, number, number[], number[]] => [slot, text.length, [7], [0]]),
      [12, 0, prompt],
    );
    for (let attempt = 0; attempt < 2; attempt += 1)
      await assert.rejects(runner.decode(plan), { code: "out_of_cells" });
    runner.removeSequence(15);
    const rows = await runner.decode(plan);
    using alone = await openRunner(llama, { ...room, attention: null });
    for (const [slot, text] of texts.entries()) {
      const expected = await compute(alone, 0, [...text, 7]);
      assert.ok(largestDifference(rows.logits(slot), expected) < 0.05, `slot ${slot}`);
      alone.removeSequence(0);
    }
    const after = await compute(runner, 12, [9], 512, 100);
    assert.ok(largestDifference(after, await compute(alone, 0, [...prompt, 9])) < 0.05, "the prompt's cells");
  },
);

test("the event loop goes on while a step is decoded", { skip }, async () => {
  using opened = await open({ cellCount: 2048, contextLength: 2048 });
  const { runner, llama } = opened;
  let tickCount = 0;
  let running = true;
  const tick = () => {
    tickCount += 1;
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  await compute(runner, 0, someTokens(llama, 2000), 512).finally(() => (running = false));
  assert.ok(tickCount > 10, `${tickCount} ticks`);
});

test("two runners over one model do not see each other", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  using other = await openRunner(llama, { slotCount: 2 });
  const [prompt, otherPrompt] = [someTokens(llama, 20), someTokens(llama, 25, 3)];
  const [first, second] = await Promise.all([
    compute(runner, 0, prompt, 5),
    compute(other, 0, otherPrompt, 5),
  ]);
  assert.ok(largestDifference(first, await compute(other, 1, prompt)) < 1e-4);
  assert.ok(largestDifference(second, await compute(runner, 1, otherPrompt)) < 1e-4);
});

test("a runner keeps the weights of a model that was disposed of", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  const prompt = someTokens(llama, 10);
  const before = await compute(runner, 0, prompt);
  llama[Symbol.dispose]();
  assert.ok(largestDifference(before, await compute(runner, 1, prompt)) < 1e-5);
});

test("default precision stays near the reference", { skip }, async () => {
  using opened = await open();
  const { runner, llama } = opened;
  using fast = await openRunner(llama, { precision: "default" });
  const prompt = someTokens(llama, 40);
  assert.ok(largestDifference(await compute(runner, 0, prompt), await compute(fast, 0, prompt)) < 0.2);
});

test(
  "a plan that breaks a rule is refused before native code, and the next one works",
  { skip },
  async () => {
    using opened = await open({ maxBatchTokenCount: 16 });
    const { runner, llama } = opened;
    const refused: StepPlan[] = [
      step(),
      step([0, 0, someTokens(llama, 17)]),
      step([8, 0, [1]]),
      step([0, 1, [1]]),
      step([0, 0, [llama.info.vocabSize]]),
      step([0, 0, [-1]]),
      step([0, 0, [1], [1]]),
    ];
    for (const plan of refused) await assert.rejects(runner.decode(plan), { code: "engine_misuse" });
    assert.throws(() => runner.copySequence(0, 8, { start: 0, end: 0 }), { code: "engine_misuse" });
    assert.throws(() => runner.copySequence(0, 1, { start: 0, end: 1 }), { code: "engine_misuse" });
    assert.throws(() => runner.removeSequence(8), { code: "engine_misuse" });
    await runner.decode(step([0, 0, [1], [0]]));
  },
);

test("a row that was not asked for is refused", { skip }, async () => {
  using opened = await open();
  const { runner } = opened;
  const none = await runner.decode(step([0, 0, [1, 2]]));
  assert.equal(none.rowCount, 0);
  assert.throws(() => none.logits(0), { code: "engine_misuse", message: /\[0, 0\), given 0/ });
  const one = await runner.decode(step([0, 2, [1, 2], [1]]));
  for (const row of [-1, 1, 0.5]) assert.throws(() => one.logits(row), { code: "engine_misuse" });
});

test("logits of an earlier step are refused", { skip }, async () => {
  using opened = await open();
  const { runner } = opened;
  const first = await runner.decode(step([0, 0, [1], [0]]));
  await runner.decode(step([0, 1, [1], [0]]));
  assert.throws(() => first.logits(0), { code: "engine_misuse", message: /until the next decode/ });
});

test("steps reuse one view of a row", { skip }, async () => {
  using opened = await open();
  const { runner } = opened;
  const first = (await runner.decode(step([0, 0, [1], [0]]))).logits(0);
  const second = (await runner.decode(step([0, 1, [1], [0]]))).logits(0);
  assert.equal(first, second);
});

test(
  "a sequence that was saved goes on after a restore as if it had never left, shared cells included",
  { skip },
  async () => {
    using opened = await open();
    const { llama, runner } = opened;
    const tokens = someTokens(llama, 60);
    await compute(runner, 0, tokens.slice(0, 40));
    runner.copySequence(0, 1, { start: 0, end: 40 });
    await compute(runner, 1, tokens.slice(40, 59), 512, 40);
    const state = await runner.saveSequence(1);
    const expected = await compute(runner, 1, tokens.slice(59), 512, 59);
    runner.removeSequence(0);
    runner.removeSequence(1);
    assert.equal(await runner.restoreSequence(5, state, 59), true);
    const restored = await compute(runner, 5, tokens.slice(59), 512, 59);
    assert.ok(largestDifference(expected, restored) < tolerance);
  },
);

test(
  "a state that is cut, of another length or of another cell type is not restored, and the slot stays empty",
  { skip },
  async () => {
    using opened = await open();
    const { llama, runner } = opened;
    const tokens = someTokens(llama, 30);
    await compute(runner, 0, tokens);
    const state = await runner.saveSequence(0);
    using other = await openRunner(llama, { precision: "default" });
    assert.equal(await other.restoreSequence(0, state, 30), false);
    for (const [bytes, tokenCount] of [
      [state.slice(0, -100), 30],
      [state.slice(0, 3), 30],
      [state, 29],
    ] as const) {
      assert.equal(await runner.restoreSequence(3, bytes, tokenCount), false);
      await compute(runner, 3, tokens.slice(0, 2));
      runner.removeSequence(3);
    }
    await assert.rejects(runner.restoreSequence(0, state, 30), { code: "engine_misuse" });
  },
);

test("nothing may be called while a decode is running", { skip }, async () => {
  using opened = await open();
  const { runner } = opened;
  const running = runner.decode(step([0, 0, [1, 2, 3], [2]]));
  await assert.rejects(runner.decode(step([1, 0, [1]])), {
    code: "engine_misuse",
    message: /decode is running/,
  });
  assert.throws(() => runner.copySequence(0, 1, { start: 0, end: 0 }), { code: "engine_misuse" });
  assert.throws(() => runner.removeSequence(0), { code: "engine_misuse" });
  assert.equal((await running).rowCount, 1);
});

test("a runner that is disposed of while it decodes frees itself at the end", { skip }, async () => {
  using opened = await open();
  const { runner } = opened;
  const running = runner.decode(step([0, 0, [1, 2, 3], [2]]));
  runner[Symbol.dispose]();
  await assert.rejects(running, {
    code: "engine_misuse",
    message: /disposed of while it decoded/,
  });
  runner[Symbol.dispose]();
});

test("a disposed runner refuses every call, and views kept from it are empty", { skip }, async () => {
  using opened = await open();
  const { runner } = opened;
  const outputs = await runner.decode(step([0, 0, [1], [0]]));
  const kept = outputs.logits(0);
  runner[Symbol.dispose]();
  runner[Symbol.dispose]();
  assert.equal(kept.length, 0);
  assert.throws(() => outputs.logits(0), { code: "engine_misuse" });
  await assert.rejects(runner.decode(step([0, 1, [1]])), {
    code: "engine_misuse",
    message: /disposed of/,
  });
  assert.throws(() => runner.copySequence(0, 1, { start: 0, end: 1 }), { code: "engine_misuse" });
  assert.throws(() => runner.removeSequence(0), { code: "engine_misuse" });
});

test("a context beyond memory or beyond 256 sequences is refused", { skip }, async () => {
  using llama = await loadLlama({ path: tinyModelPath("corral-tiny-3"), float32Weights: true });
  await assert.rejects(openRunner(llama, { slotCount: 257 }), { code: "engine_misuse" });
  await assert.rejects(openRunner(llama, { cellCount: 4_000_000_000 }), {
    code: "context_too_large",
  });
  await assert.rejects(openRunner(llama, { memoryLimitBytes: 1000 }), {
    code: "context_too_large",
  });
  using most = await openRunner(llama, { slotCount: 256 });
  await most.decode(step([255, 0, [1], [0]]));
});

test(
  "every step is computed by as many threads as were granted for it, with the same result",
  { skip },
  async () => {
    using opened = await open();
    const tokens = someTokens(opened.llama, 40);
    const expected = await compute(opened.runner, 0, tokens, 8);
    const grants = [1, 2, 99, 1, 2];
    const events: string[] = [];
    using runner = await openRunner(opened.llama, {
      threadCount: 2,
      stepThreads: {
        begin: () => {
          events.push("begin");
          return grants[(events.length - 1) / 2] ?? 1;
        },
        end: () => events.push("end"),
      },
    });
    const found = await compute(runner, 0, tokens, 8);
    assert.ok(largestDifference(found, expected) < tolerance);
    assert.deepEqual(events, Array.from({ length: 5 }, () => ["begin", "end"]).flat());
  },
);

test(
  "the threads of a step wait for the next one, are never more than it needs, and end with the runner",
  { skip: skipThreads },
  async () => {
    using opened = await open();
    const tokens = someTokens(opened.llama, 8);
    let granted = 1;
    const runner = await openRunner(opened.llama, {
      threadCount: 3,
      stepThreads: { begin: () => granted, end: () => undefined },
    });
    let length = 0;
    /** Waits for threads that were told to end. */
    async function assertAdded(threadCount: number, expected: number): Promise<void> {
      granted = threadCount;
      await runner.decode(step([0, length, tokens.slice(0, 1), [0]]));
      length += 1;
      await until(() => threadIds().length === before.length + expected);
    }
    const before = await settledThreadIds();
    await assertAdded(1, 0);
    await assertAdded(3, 2);
    const added = threadIds().filter((id) => !before.includes(id));
    await assertAdded(3, 2);
    assert.deepEqual(
      threadIds().filter((id) => !before.includes(id)),
      added,
    );
    await assertAdded(2, 1);
    await assertAdded(1, 0);
    await assertAdded(2, 1);
    runner[Symbol.dispose]();
    await until(() => threadIds().length === before.length);
  },
);

test("the threads that wait are those that compute", { skip: skipThreads }, async () => {
  using opened = await open();
  const before = await settledThreadIds();
  using runner = await openRunner(opened.llama, { threadCount: 2 });
  await compute(runner, 0, someTokens(opened.llama, 8));
  const [id = ""] = threadIds().filter((other) => !before.includes(other));
  await until(() => isAsleep(id));
  const asleepNs = ranNs(id);
  for (let round = 0; round < 20; round += 1) {
    await compute(runner, 1, someTokens(opened.llama, 256, round));
    runner.removeSequence(1);
  }
  await until(() => isAsleep(id));
  // What it looks for work after one step is 6 ms at most.
  assert.ok(ranNs(id) - asleepNs > 20e6, `it ran for ${ranNs(id) - asleepNs} ns`);
});

test(
  "runners that take turns have results of their own, and none waits for the other's threads",
  {
    skip: skipThreads,
  },
  async () => {
    using opened = await open();
    const tokens = [1, 2].map((seed) => someTokens(opened.llama, 40, seed));
    const expected = [
      await compute(opened.runner, 0, tokens[0] ?? [], 8),
      await compute(opened.runner, 1, tokens[1] ?? [], 8),
    ];
    const grants = {
      threadCount: 2,
      stepThreads: { begin: () => (turn++ % 3 === 0 ? 1 : 2), end: () => undefined },
    };
    let turn = 0;
    using first = await openRunner(opened.llama, grants);
    using second = await openRunner(opened.llama, { threadCount: 2 });
    // In turns, and at once as libuv's pool lets them.
    for (const isAtOnce of [false, true]) {
      for (let round = 0; round < 5; round += 1) {
        const calls = [
          () => compute(first, 0, tokens[0] ?? [], 8),
          () => compute(second, 0, tokens[1] ?? [], 8),
        ];
        const found: Float32Array[] = [];
        if (isAtOnce) found.push(...(await Promise.all(calls.map((call) => call()))));
        else for (const call of calls) found.push(await call());
        for (const [index, logits] of found.entries())
          assert.ok(largestDifference(logits, expected[index] ?? new Float32Array()) < tolerance);
        first.removeSequence(0);
        second.removeSequence(0);
      }
    }
  },
);

function threadIds(): string[] {
  return readdirSync("/proc/self/task");
}

/** Time that a thread of this process has had a processor for. */
function ranNs(id: string): number {
  return Number(readFileSync(`/proc/self/task/${id}/schedstat`, "utf8").split(" ")[0]);
}

function isAsleep(id: string): boolean {
  return /^State:\tS/m.test(readFileSync(`/proc/self/task/${id}/status`, "utf8"));
}

/** Node's own threads may still be starting, and those of runners before be ending. */
async function settledThreadIds(): Promise<readonly string[]> {
  for (let last = 0; ; last = threadIds().length) {
    if (threadIds().length === last) return threadIds();
    await sleep(50);
  }
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 5_000;
  while (!holds()) {
    assert.ok(performance.now() < end, `there are ${threadIds().length} threads`);
    await sleep(5);
  }
}
