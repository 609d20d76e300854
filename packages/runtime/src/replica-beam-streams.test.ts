// Streams of beams as each family sends them: whatever is asked for, the pieces make up what the whole answer says.

import { hashedLogits } from "@corral/engine/testing";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFakeLoadedModel } from "./testing/fake-loaded-model.ts";
import { parseEvents } from "./testing/platform-side.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

/** Letters, both halves of an é, an end token: texts part in the middle of a character, and often agree. */
const likely = [97, 98, 99, 0xc3, 0xa9, 101];
const endId = 101;

function peaked(history: readonly number[], vocabSize: number): Float32Array {
  // The near past alone decides, so that beams that part often say the same again.
  const logits = hashedLogits(history.slice(-3), vocabSize).map((logit) => Math.round(logit));
  for (const id of likely) logits[id] = logits[id]! + 6;
  return logits;
}

const start = () => startTestReplica({ model: createFakeLoadedModel({ logits: peaked }) });

const settings = fc.record(
  {
    num_beams: fc.integer({ min: 2, max: 4 }),
    eos_token_id: fc.constantFrom(endId, [endId, 98], null),
    early_stopping: fc.constantFrom(true, false, "never"),
    length_penalty: fc.constantFrom(-1, 0, 0.5, 2),
    do_sample: fc.boolean(),
    seed: fc.nat({ max: 9 }),
    repetition_penalty: fc.constantFrom(1, 1.3),
    guidance_scale: fc.constantFrom(1.5),
  },
  { requiredKeys: ["num_beams", "eos_token_id", "do_sample", "seed"] },
);
const stops = fc.option(fc.constantFrom(["ab"], ["aé", "c"], ["éa", "bc"]), { nil: undefined });
const word = fc.constantFrom("Hi", "abc", "é");

type Chunk = Readonly<Record<string, unknown>> & {
  readonly choices: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string };
    readonly finish_reason: string | null;
  }[];
};

test("the pieces of a stream of beams make up the whole answer in each family, whatever is asked for", async () => {
  await using t = await start();
  let early = 0;
  const corral = async (body: object) => {
    const own = { ...body, return_full_text: false, logprobs: 1, max_new_tokens: 12 };
    const whole = (await t.call({ body: own })).json;
    const events = parseEvents((await t.call({ body: { ...own, stream: true } })).text);
    assert.equal(events.at(-1)?.event, "done");
    const tokens = events.filter(({ event }) => event === "token").map(({ data }) => data);
    for (const [prompt, [row]] of whole.result.map((one: unknown) => [one].flat()).entries()) {
      const own = tokens.filter((event) => (event.prompt ?? 0) === prompt);
      assert.equal(own.map(({ text }) => text).join(""), row.generated_text);
      assert.deepEqual(
        own.flatMap(({ logprobs }) => logprobs),
        row.logprobs,
      );
      assert.equal(own.flatMap(({ ids }) => ids).length, row.generated_tokens);
      if (own.length > 1) early++;
    }
    assert.deepEqual(events.at(-1)!.data.result, whole.result);
  };
  const baseten = async (body: object) => {
    const own = { ...body, max_tokens: 20 };
    const { output } = (await t.call({ dialect: "baseten", body: own })).json.model_output;
    const streaming = { dialect: "baseten", body: { ...own, stream: true } } as const;
    assert.equal((await t.call(streaming)).text, output);
    const events = parseEvents(
      (await t.call({ ...streaming, headers: { accept: "text/event-stream" } })).text,
    );
    assert.equal(
      events
        .filter(({ event }) => event === "token")
        .map(({ data }) => data.text)
        .join(""),
      output,
    );
  };
  const openAi = async (body: object) => {
    const call = { dialect: "openai", path: "/completions" } as const;
    const own = { ...body, model: "m", max_tokens: 12 };
    const [whole] = (await t.call({ ...call, body: own })).json.choices;
    const { text } = await t.call({ ...call, body: { ...own, stream: true } });
    const frames = text.split("\n\n").filter((frame) => frame.startsWith("data: {"));
    const chunks = frames.map((frame) => JSON.parse(frame.split("\n", 1)[0]!.slice(6)) as Chunk);
    const choices = chunks.flatMap((chunk) => chunk.choices);
    assert.equal(choices.map((choice) => choice.text ?? "").join(""), whole.text);
    assert.equal(choices.at(-1)!.finish_reason, whole.finish_reason);
  };
  await fc.assert(
    fc.asyncProperty(
      settings,
      stops,
      fc.array(word, { minLength: 1, maxLength: 3 }),
      async (given, stop, words) => {
        const own = { ...given, ...(stop === undefined ? {} : { stop_strings: stop }) };
        await corral({ ...own, prompt: words[0] });
        await corral({ ...own, prompt: words });
        await baseten({ ...own, prompt: words[0] });
        await openAi({ ...own, prompt: words[0] });
        if (stop !== undefined) await openAi({ ...given, prompt: words[0], stop });
      },
    ),
    { numRuns: 25 },
  );
  assert.ok(early > 10, `${early} of the texts began before their end`);
});
