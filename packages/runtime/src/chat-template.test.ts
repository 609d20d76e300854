import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChatTemplate } from "./chat-template.ts";
import { fakeChatTemplate } from "./testing/fake-loaded-model.ts";

const options = { addGenerationPrompt: true, continueFinalMessage: false };
const one = [{ role: "user", content: "Hi" }];

function render(template: string, messages = one, changes: Partial<typeof options> = {}): string {
  const parsed = parseChatTemplate(
    template,
    { bos_token: "<bos>", eos_token: "<eos>" },
    () => new Date(2024, 6, 4, 13, 5),
  );
  return parsed.render(messages, { ...options, ...changes });
}

test("a template sees the special tokens, the messages and whether the assistant is to go on", () => {
  assert.equal(render(fakeChatTemplate), "<bos><header>user\nHi<header>assistant\n");
  assert.equal(render(fakeChatTemplate, one, { addGenerationPrompt: false }), "<bos><header>user\nHi");
});

test("what a template raises becomes invalid_chat with its own words", () => {
  const messages = [{ role: "parrot", content: "Hi" }];
  assert.throws(() => render(fakeChatTemplate, messages), {
    code: "invalid_chat",
    message: "There is no role parrot",
  });
});

test("a mistake inside a template is invalid_chat too, and a text that is no template no_chat_template", () => {
  assert.throws(() => render("{{ messages.nothing.there() }}"), { code: "invalid_chat" });
  assert.throws(() => render("{% for %}"), { code: "no_chat_template" });
});

test("a conversation that ends with the assistant is left open at that very place", () => {
  const messages = [...one, { role: "assistant", content: "Well, " }];
  const open = { addGenerationPrompt: false, continueFinalMessage: true };
  // This template trims, so the space goes, as in transformers.
  assert.equal(render(fakeChatTemplate, messages, open), "<bos><header>user\nHi<header>assistant\nWell,");
  assert.equal(render("{% for m in messages %}[{{ m.content }}]{% endfor %}", messages, open), "[Hi][Well, ");
  assert.throws(() => render("nothing", messages, open), { code: "invalid_chat" });
});

test("comparison, stripping and dates are Python's", () => {
  const comparisons = {
    "'' == false": false,
    "'1' == 1": false,
    "1 == true": true,
    "[1, 'a'] == [1, 'a']": true,
    "none != false": true,
  };
  for (const [comparison, holds] of Object.entries(comparisons)) {
    assert.equal(render(`{{ 'yes' if ${comparison} else 'no' }}`), holds ? "yes" : "no", comparison);
  }
  assert.equal(
    render("{{ '\ufeffx\x1c\u3000' | trim }}|{{ ' y '.rstrip() }}|{{ ' y '.lstrip() }}|{{ ' y '.strip() }}"),
    "\ufeffx| y|y |y",
  );
  assert.equal(render("{{ strftime_now('%d %b %Y, %I:%M %p %%') }}"), "04 Jul 2024, 01:05 PM %");
});

test("a block tag takes its own line break with it, as transformers sets it", () => {
  assert.equal(render("{% if true %}\nx\n  {% endif %}\ny"), "x\ny");
});

test("a refusal that repeats what it was given is shortened", () => {
  const template = parseChatTemplate("{{ raise_exception('no role ' + messages[0].role) }}", {});
  const messages = [{ role: "x".repeat(100_000), content: "" }];
  assert.throws(
    () => template.render(messages, { addGenerationPrompt: true, continueFinalMessage: false }),
    (error: Error) => error.message.startsWith("no role xxx") && error.message.length < 600,
  );
});
