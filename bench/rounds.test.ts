import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningContender } from "./measure.ts";
import { measureRounds } from "./rounds.ts";
import { roundContext, type Contender, type Measured } from "./workload.ts";

const contender = (name: string): Contender => ({
  name,
  setUp: "corral-engine",
  slotCount: 1,
  cellCount: 256,
  contextLength: 256,
  queueLength: 256,
  phases: () => [],
});

/** Measures nothing, but notes whose turn it was; others take what `foreign` says of that turn. */
function pretend(names: readonly string[], foreign: (turn: number) => number) {
  const turns: string[] = [];
  const running = names.map((name): RunningContender => {
    const measure = async (): Promise<Measured> => {
      const foreignCores = foreign(turns.push(name) - 1);
      return { phases: {}, loads: {}, cpu: { calls: { foreignCores, targetCpuMs: 0 } } };
    };
    const settings = {
      device: "cpu" as const,
      llamaLibraries: null,
      model: "",
      threadCount: 1,
      slotCount: 1,
      cellCount: 256,
      contextLength: 256,
      queueLength: 256,
      maxStepMs: 250,
      state: "",
    };
    return { contender: contender(name), settings, measure, compute: undefined, stop: async () => undefined };
  });
  return { turns, running };
}

const untilQuiet = async () => undefined;
const context = (round: number) => roundContext(1, "test", round, 32_000);

test("every contender has its turn in every round, and begins in turn", async () => {
  const { turns, running } = pretend(["a", "b", "c"], () => 5);
  const options = { roundCount: 3, maxForeignCores: Infinity, untilQuiet };
  const { columns, disturbed } = await measureRounds(running, context, options);
  assert.equal(turns.join(""), "abcbcacab");
  assert.deepEqual(
    columns.map(({ contender: name, rounds }) => [name, rounds.length]),
    [
      ["a", 3],
      ["b", 3],
      ["c", 3],
    ],
  );
  assert.equal(disturbed.length, 0);
});

test("a round that others disturbed is broken off, kept apart and measured again", async () => {
  const { turns, running } = pretend(["a", "b"], (turn) => (turn === 2 ? 1 : 0));
  const { columns, disturbed } = await measureRounds(running, context, {
    roundCount: 2,
    maxForeignCores: 0.5,
    untilQuiet,
  });
  assert.equal(turns.join(""), "abbab");
  assert.deepEqual(
    columns.map(({ rounds }) => rounds.length),
    [2, 2],
  );
  assert.deepEqual(disturbed.map(Object.keys), [["b"]]);
  await assert.rejects(
    measureRounds(pretend(["a"], () => 1).running, context, {
      roundCount: 1,
      maxForeignCores: 0.5,
      untilQuiet,
    }),
    /others took more than 0\.5 cores in 4 rounds of 4/,
  );
});
