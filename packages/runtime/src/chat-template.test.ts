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

test("a template that would work for ever, or write without end, is stopped", () => {
  const endless = [
    "{% for i in range(100000) %}{% for j in range(100000) %}{{ i }}{% endfor %}{% endfor %}",
    "{{ 'x' * 1000000000 }}",
    "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
    "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{{ 10 ** 1000000000 }}",
    "{% for i in range(100000) %}{{ messages|tojson }}{% endfor %}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ ('x' * 100000).replace('', 'y' * 100000) }}",
  ];
  for (const template of endless) {
    const { kind } = parseChatTemplate(template, {}).renderWithin({ messages: one, options }, 100_000);
    assert.notEqual(kind, "text", template);
  }
});

test("brackets and calls within each other end with an error, and not with the process", () => {
  const deep = "(".repeat(100_000);
  assert.throws(() => render(`{{ ${deep} }}`), { code: "no_chat_template" });
  assert.throws(() => render(`{{ ${"not ".repeat(100_000)}1 }}`), { code: "no_chat_template" });
  assert.throws(() => render("{% if 1 %}".repeat(100_000)), { code: "no_chat_template" });
  assert.equal(render(`{{ ${"1 + ".repeat(500)}1 }}`), "501");
});

test("a refusal that repeats what it was given is shortened", () => {
  const template = parseChatTemplate("{{ raise_exception('no role ' + messages[0].role) }}", {});
  const messages = [{ role: "x".repeat(100_000), content: "" }];
  assert.throws(
    () => template.render(messages, { addGenerationPrompt: true, continueFinalMessage: false }),
    (error: Error) => error.message.startsWith("no role xxx") && error.message.length < 600,
  );
});
