// How generations of the engine end by stop strings and by their time, beside others and while they are streamed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { GenerationHandle, GenerationRequest } from "./generation.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, type FakeModelOptions } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";
import type { GenerationSettings } from "./valid-generation.ts";

const ids = (text: string) => [...new TextEncoder().encode(text)];
const pad = 258;

/** Greedy rows go on from `prompt` as the text does; sampled ones choose among its continuations by chance. */
function reciting(prompt: string, ...texts: readonly string[]) {
  return (history: readonly number[], vocabSize: number): Float32Array => {
    const logits = new Float32Array(vocabSize).fill(-Infinity);
    const written = new TextDecoder().decode(Uint8Array.from(history)).slice(prompt.length);
    for (const text of texts) if (text.startsWith(written)) logits[ids(text)[ids(written).length] ?? 0] = 0;
    return logits;
  };
}

interface Given {
  readonly prompt: string;
  readonly settings: Partial<GenerationSettings>;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly request?: Partial<GenerationRequest>;
}

function start(modelOptions: FakeModelOptions, engineOptions: Partial<EngineOptions> = {}) {
  const engine = createEngine({
    runner: createFakeModel(modelOptions),
    vocabulary: createByteTokenizer(),
    integrityChecks: "step",
    ...engineOptions,
  });
  engine.run().catch(() => {});
  let count = 0;
  return {
    submit({ prompt, settings, parameters, request }: Given): GenerationHandle {
      const promptIds = ids(prompt);
      const given = { max_new_tokens: 40, eos_token_id: null, pad_token_id: pad, ...parameters };
      const generation = { ...validGeneration(given, promptIds.length), ...settings };
      const id = `generation ${count++}`;
      return engine.submit({
        id,
        promptIds,
        generation,
        owner: "test",
        priority: 0,
        deadlineAtMs: null,
        ...request,
      });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

test("a stop string ends a sequence and stays in its text and its ids", async () => {
  await using fixture = start({ logits: reciting("Q: ", "yes. no. perhaps") });
  const { sequences, error } = await fixture.submit({
    prompt: "Q: ",
    settings: { stopStrings: [" no", "no."] },
  }).result;
  assert.equal(error, null);
  assert.deepEqual(sequences, [
    { ids: ids("yes. no"), text: "yes. no", finishReason: "stop_sequence", generatedTokenCount: 7 },
  ]);
});

test("a stop string that the prompt began ends a sequence; one that the prompt holds does not", async () => {
  await using fixture = start({ logits: reciting("END EN", "D of it") });
  const { sequences } = await fixture.submit({ prompt: "END EN", settings: { stopStrings: ["END"] } }).result;
  assert.equal(sequences[0]?.text, "D");
});

test("rows without an end token end at their own stop strings and are padded", async () => {
  await using fixture = start({ logits: reciting("Q: ", "a stop", "b goes on until stop") });
  const { sequences, paddedIds, usage } = await fixture.submit({
    prompt: "Q: ",
    settings: { stopStrings: ["stop"] },
    parameters: { do_sample: true, num_return_sequences: 6, seed: 3 },
  }).result;
  const texts = new Set(sequences.map(({ text }) => text));
  assert.deepEqual(texts, new Set(["a stop", "b goes on until stop"]));
  assert.ok(sequences.every(({ finishReason }) => finishReason === "stop_sequence"));
  for (const [index, { ids: own }] of sequences.entries()) {
    assert.deepEqual(paddedIds[index], [...own, ...Array.from({ length: 20 - own.length }, () => pad)]);
  }
  assert.equal(
    usage.generatedTokenCount,
    sequences.reduce((sum, sequence) => sum + sequence.generatedTokenCount, 0),
  );
});

test("a text that is stripped of its stop string is the same streamed, and its ids stay whole", async () => {
  await using fixture = start({ logits: reciting("Q: ", "yes\nA\n\nno") });
  const handle = fixture.submit({
    prompt: "Q: ",
    settings: { stopStrings: ["\n\n", "A\n\n"] },
    request: { stripsStopStrings: true },
  });
  let streamed = "";
  for await (const event of handle) if (event.kind === "text") streamed += event.text;
  const [sequence] = (await handle.result).sequences;
  assert.equal(streamed, "yes\n", "of two that the same token completes the longer one counts");
  assert.equal(sequence?.text, streamed);
  assert.deepEqual(sequence?.ids, ids("yes\nA\n\n"));
});

test("what seemed to begin a stop string is not lost when a sequence ends otherwise", async () => {
  await using fixture = start({ logits: reciting("Q: ", "yes\nno") });
  const { sequences } = await fixture.submit({
    prompt: "Q: ",
    settings: { stopStrings: ["\n\n"] },
    parameters: { max_new_tokens: 4 },
    request: { stripsStopStrings: true },
  }).result;
  assert.deepEqual([sequences[0]?.text, sequences[0]?.finishReason], ["yes\n", "length"]);
});

test("all rows end once more than max_time has passed since admission, after one token at least", async () => {
  const clock = createFakeClock();
  await using fixture = start({ beforeDecode: () => clock.advance(10) }, { clock });
  const after = async (maxTimeMs: number) => {
    const parameters = { do_sample: true, num_return_sequences: 3, seed: 5 };
    const { sequences } = await fixture.submit({ prompt: "Q: ", settings: { maxTimeMs }, parameters }).result;
    assert.ok(sequences.every(({ finishReason }) => finishReason === "time"));
    return sequences.map(({ generatedTokenCount }) => generatedTokenCount);
  };
  assert.deepEqual(await after(0), [1, 1, 1]);
  assert.deepEqual(await after(30), [4, 4, 4], "30 ms are not more than 30");
});

test("time spent in the queue does not count against max_time, time spent on a long prompt does", async () => {
  const clock = createFakeClock();
  const options = { beforeDecode: () => clock.advance(10), slotCount: 1, maxBatchTokenCount: 4 };
  await using fixture = start(options, { clock, sharesPrefixes: false });
  const first = fixture.submit({ prompt: "Q: ", settings: {} });
  const queued = fixture.submit({ prompt: "Q: ", settings: { maxTimeMs: 20 } });
  const long = fixture.submit({ prompt: "0123456789abcdef", settings: { maxTimeMs: 35 } });
  await first.result;
  assert.equal((await queued.result).sequences[0]?.generatedTokenCount, 3);
  assert.equal((await long.result).sequences[0]?.generatedTokenCount, 1, "four steps of a prompt");
});
