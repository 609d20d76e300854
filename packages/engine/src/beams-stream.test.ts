import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createEngine } from "./engine.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

const promptIds = [200, 201];
const [a, b, c, x, end] = [1, 2, 3, 4, 9];

/** Probabilities of the ids after what is new of a history; all others share what is left. */
type Script = (fresh: readonly number[]) => Readonly<Record<number, number>>;

/** The ids of each event of a lone returned sequence as they came, and what was returned. */
async function stream(script: Script, given: Readonly<Record<string, unknown>> = {}) {
  const runner = createFakeModel({
    logits(history, size) {
      const named = Object.entries(script(history.slice(promptIds.length)));
      const left = 1 - named.reduce((sum, [, probability]) => sum + probability, 0);
      const logits = new Float32Array(size).fill(Math.log(Math.max(left, 1e-9) / size));
      for (const [id, probability] of named) logits[Number(id)] = Math.log(probability);
      return logits;
    },
    // So that the reader sees each step's event by itself.
    beforeDecode: () => setImmediate(),
  });
  const engine = createEngine({
    runner,
    vocabulary: createByteTokenizer(),
    clock: createFakeClock(),
    integrityChecks: "step",
  });
  engine.run().catch(() => {});
  const generation = validGeneration(
    { num_beams: 2, max_new_tokens: 6, eos_token_id: end, length_penalty: 0, ...given },
    promptIds.length,
  );
  const request = { id: "one", promptIds, generation, owner: "me", priority: 0, deadlineAtMs: null };
  const handle = engine.submit(request);
  const events: (readonly number[])[] = [];
  for await (const event of handle) if (event.kind === "text" && event.ids.length > 0) events.push(event.ids);
  const { sequences } = await handle.result;
  await engine.stop({ drain: true });
  return { events, ids: sequences[0]!.ids };
}

/** `finished` ends after two ids; the beams that go on all begin with a. */
function agreeing(finished: number): Script {
  return (fresh) => {
    const [first] = fresh;
    if (first === undefined) return { [a]: 0.5, [x]: 0.45 };
    if (fresh.length > 1) return { [b]: 0.5, [c]: 0.5 };
    if (first === finished) return { [end]: 0.9, [b]: 0.06, [c]: 0.04 };
    return { [b]: 0.5, [c]: 0.5 };
  };
}

test("nothing is sent that a finished text contradicts, though all running beams agree on it", async () => {
  const { events, ids } = await stream(agreeing(x));
  assert.deepEqual(ids, [x, end]);
  assert.deepEqual(events, [[x, end]]);
});

test("what the finished text and all running beams begin with is sent while they run", async () => {
  const script: Script = (fresh) => (fresh.length === 0 ? { [a]: 0.9, [x]: 0.01 } : agreeing(a)(fresh));
  const { events, ids } = await stream(script);
  assert.deepEqual(ids, [a, end]);
  assert.deepEqual(events, [[a], [end]]);
});

test("a finished text that a better one replaces holds nothing back any longer", async () => {
  // [x, end] ends first; [a, b, end] beats it, and so does all that begins with a.
  const script: Script = (fresh) => {
    const [first, second] = fresh;
    if (first === undefined) return { [a]: 0.6, [x]: 0.3 };
    if (first === x) return { [end]: 0.3, [b]: 0.01 };
    if (second === undefined) return { [b]: 0.9, [c]: 0.1 };
    return fresh.length === 2 && second === b ? { [end]: 0.5, [c]: 0.4 } : { [b]: 0.9, [c]: 0.05 };
  };
  const { events, ids } = await stream(script);
  assert.deepEqual(ids.slice(0, 2), [a, b]);
  assert.ok(events.length > 1 && events[0]![0] === a, JSON.stringify(events));
  assert.deepEqual(events.flat(), ids);
});
