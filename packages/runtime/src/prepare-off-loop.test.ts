import { textOfContent } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChatTemplate } from "./chat-template.ts";
import { createLog } from "./log.ts";
import { prepareInTurns } from "./prepare-call.ts";
import { prepareOffLoop } from "./prepare-off-loop.ts";
import { preparePrompt, type PromptModel, type PromptSource } from "./prompt.ts";
import type { RenderConversation } from "./render-conversation.ts";
import { startRenderer, type Renderer } from "./renderer.ts";
import { testContext, testModel } from "./testing/prepare-body.ts";

const template =
  "{% for m in messages %}{% for i in range(m.content|int) %}{% endfor %}[{{ m.content }}]{% endfor %}";
const chatTemplate = parseChatTemplate(template, {});
const model: PromptModel = { ...testModel, chatTemplate };
const chat = (content: string): PromptSource => ({ kind: "messages", messages: [{ role: "user", content }] });
const log = createLog("error", () => undefined);

/** A renderer that does the work at once and remembers what it was asked. */
function fakeRenderer(render: RenderConversation = chatTemplate.renderWithin) {
  const asked: string[] = [];
  const renderer: Renderer = {
    render: async (conversation) => {
      asked.push(textOfContent(conversation.messages[0]?.content));
      return render(conversation, 1_000_000);
    },
    [Symbol.dispose]: () => undefined,
  };
  return { renderer, asked };
}

/** Of the event loop, until it is stopped. */
function countTurns() {
  let turnCount = 0;
  let isStopped = false;
  const turn = () => {
    turnCount += 1;
    if (!isStopped) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop() {
      isStopped = true;
      return turnCount;
    },
  };
}

const prepare = (sources: readonly PromptSource[]) => (current: PromptModel) =>
  sources.map((source) => preparePrompt(current, source).text);

test("short conversations are rendered at once, and only long ones are left to the worker", async () => {
  const { renderer, asked } = fakeRenderer();
  const texts = await prepareOffLoop(
    model,
    renderer,
    prepare([chat("1"), chat("30000"), chat("2"), chat("40000")]),
  );
  assert.deepEqual(texts, ["[1]", "[30000]", "[2]", "[40000]"]);
  assert.deepEqual(asked.toSorted(), ["2", "30000", "40000"], "what came before the first long one is known");
  await prepareOffLoop(model, renderer, prepare([chat("1"), chat("2")]));
  assert.equal(asked.length, 3);
});

test("many conversations that are short each are not rendered on the loop together", async () => {
  const { renderer, asked } = fakeRenderer();
  const sources = Array.from({ length: 30 }, () => chat("500"));
  const texts = await prepareOffLoop(model, renderer, prepare(sources));
  assert.equal(texts.length, 30);
  assert.ok(asked.length > 0 && asked.length < 30, `${asked.length} of them were left`);
});

test("what the worker's template refuses is refused as at once, beside what else is wrong", async () => {
  const refusing = fakeRenderer(() => ({ kind: "refused", message: "No." }));
  await assert.rejects(prepareOffLoop(model, refusing.renderer, prepare([chat("30000")])), {
    code: "invalid_chat",
    message: "No.",
  });
  const costly = fakeRenderer(() => ({ kind: "costly" }));
  await assert.rejects(prepareOffLoop(model, costly.renderer, prepare([chat("30000")])), {
    code: "invalid_chat",
  });
});

test("the thread renders while the event loop goes on, and gives up at its limit of steps", async () => {
  using renderer = startRenderer({ template, specialTokens: {}, log, stepLimit: 3_000_000 });
  // The thread starts before anything is measured.
  assert.deepEqual(await prepareOffLoop(model, renderer, prepare([chat("20000")])), ["[20000]"]);
  const loop = countTurns();
  const contents = ["90000", "90001", "90002", "90003"];
  const texts = await prepareOffLoop(model, renderer, prepare(contents.map(chat)));
  const turnCount = loop.stop();
  assert.deepEqual(
    texts,
    contents.map((content) => `[${content}]`),
  );
  // Rendered on the loop, it would turn once between two answers at most.
  assert.ok(turnCount > 10 * contents.length, `the loop turned ${turnCount} times`);
  const endless = chat("99999");
  const looping = {
    ...endless,
    messages: Array.from({ length: 40 }, () => ({ role: "user", content: "99999" })),
  };
  await assert.rejects(prepareOffLoop(model, renderer, prepare([looping as PromptSource])), {
    code: "invalid_chat",
    message: /steps/,
  });
  assert.deepEqual(await prepareOffLoop(model, renderer, prepare([chat("20000")])), ["[20000]"]);
});

test("a call of more long conversations than may wait before the worker is prepared all the same", async () => {
  using renderer = startRenderer({ template, specialTokens: {}, log });
  const sources = Array.from({ length: 40 }, () => chat("15000"));
  const texts = await prepareOffLoop(model, renderer, prepare(sources));
  assert.deepEqual([texts.length, new Set(texts)], [40, new Set(["[15000]"])]);
});

test("others have their turn while the prompts of one call are prepared", async () => {
  const context = testContext();
  const turns: number[] = [];
  let tokenized = 0;
  const tokenize: PromptModel["vocabulary"]["tokenize"] = (text, options) => {
    tokenized += 1;
    return testModel.vocabulary.tokenize(text, options);
  };
  const counting = { ...testModel, vocabulary: { ...testModel.vocabulary, tokenize } };
  let isDone = false;
  const watch = () => {
    turns.push(tokenized);
    if (!isDone) setImmediate(watch);
  };
  setImmediate(watch);
  const { prompts } = await prepareInTurns(counting, "corral", { prompt: ["a", "b", "c", "d"] }, context);
  isDone = true;
  assert.equal(prompts.length, 4);
  const between = new Set(turns.filter((count) => count > 0 && count < tokenized));
  assert.equal(between.size, 3, `of ${tokenized} texts ${turns.join()} were tokenized at each turn`);
});

test("more conversations than may wait are told to come again, and an ended thread fails what waits", async () => {
  const renderer = startRenderer({ template, specialTokens: {}, log });
  const conversation = {
    messages: [{ role: "user", content: "50000" }],
    options: { addGenerationPrompt: false, continueFinalMessage: false },
  };
  const asked = Array.from({ length: 33 }, () => renderer.render(conversation));
  const settled = Promise.allSettled(asked);
  await assert.rejects(asked[32] ?? Promise.resolve(), { code: "queue_full" });
  renderer[Symbol.dispose]();
  assert.ok((await settled).every(({ status }) => status === "rejected"));
});
