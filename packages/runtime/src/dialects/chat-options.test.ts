import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChatTemplate } from "../chat-template.ts";
import { preparePrompt, type PromptSource } from "../prompt.ts";
import { prepareBody, refusedFields, testModel } from "../testing/prepare-body.ts";
import { BodyReader } from "./body-reader.ts";
import { takeChatOptions } from "./chat-options.ts";
import { takeSources } from "./read-sources.ts";

const user = { role: "user", content: "Hi" };
const assistant = { role: "assistant", content: "He " };

/** The text of a body's conversation, in the words of the given template. */
function rendered(body: Readonly<Record<string, unknown>>, template: string): string | null {
  const reader = new BodyReader(body);
  const sources = takeChatOptions(reader, takeSources(reader, ["messages"])?.sources ?? null);
  assert.deepEqual(reader.errors, []);
  return preparePrompt(
    { ...testModel, chatTemplate: parseChatTemplate(template, {}) },
    sources?.[0] as PromptSource,
  ).text;
}

test("tools, documents and variables of the caller reach the template", () => {
  const template =
    "{{ tools[0].function.name }} {{ documents[0].title }} {{ 'thinks' if enable_thinking else 'answers' }} {{ messages[0].tool_calls[0].id }}";
  const body = {
    messages: [{ role: "assistant", content: null, tool_calls: [{ id: "call1" }] }],
    tools: [{ type: "function", function: { name: "look_up" } }],
    documents: [{ title: "Llamas", text: "Wool." }],
    chat_template_kwargs: { enable_thinking: false },
    add_generation_prompt: true,
  };
  assert.equal(rendered(body, template), "look_up Llamas answers call1");
});

test("the final message is continued where the assistant spoke last, unless the caller says otherwise", () => {
  const template =
    "{% for m in messages %}<{{ m.content }}>{% endfor %}{% if add_generation_prompt %}+{% endif %}";
  const messages = [user, assistant];
  const cases = [
    [{}, "<Hi><He "],
    [{ continue_final_message: false }, "<Hi><He >+"],
    [{ add_generation_prompt: true }, "<Hi><He >+"],
    [{ add_generation_prompt: false }, "<Hi><He >"],
    [{ add_generation_prompt: false, continue_final_message: true }, "<Hi><He "],
    [{ messages: [user], continue_final_message: true }, "<Hi"],
  ] as const;
  for (const [options, expected] of cases) {
    assert.equal(rendered({ messages, ...options }, template), expected, JSON.stringify(options));
  }
});

test("a final message is continued at the field that is named, and reasoning has several names", () => {
  const messages = [user, { role: "assistant", content: "", reasoning: "Well" }];
  const template = "{% for m in messages %}{{ m.reasoning_content }}</think>{% endfor %}";
  assert.equal(rendered({ messages, continue_final_message: "reasoning_content" }, template), "</think>Well");
});

test("parts of a content are one text for a template that knows no parts, and parts for one that does", () => {
  const content = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  const messages = [{ role: "user", content }];
  assert.equal(rendered({ messages }, "{{ messages[0].content }}"), "ab");
  const reading = "{% for part in messages[0].content %}[{{ part.text }}]{% endfor %}";
  assert.equal(rendered({ messages }, reading), "[a][b]");
  assert.equal(rendered({ messages, continue_final_message: true }, reading), "[a][b");
});

test("what a template has no place for is a warning, and a field of a message that it does not read is refused", () => {
  const body = { messages: [user], tools: [{ name: "f" }], chat_template_kwargs: { x: 1 } };
  const { warnings } = prepareBody("corral", body);
  assert.deepEqual(
    warnings
      .filter((warning) => warning.includes("does not read"))
      .map((warning) => /read (\w+);/.exec(warning)?.[1]),
    ["tools", "x"],
  );
  const [error] = refusedFields("corral", { messages: [{ ...user, contents: "x", name: "Ann" }] });
  assert.deepEqual([error?.pointer, error?.code], ["/messages/0/contents", "unknown_parameter"]);
});

const refusals = [
  { tools: "f", pointers: ["/tools"] },
  { tools: [{}, 1], pointers: ["/tools/1"] },
  { documents: { title: "x" }, pointers: ["/documents"] },
  { chat_template_kwargs: ["x"], pointers: ["/chat_template_kwargs"] },
  {
    chat_template_kwargs: { messages: [], tokenize: true },
    pointers: ["/chat_template_kwargs/messages", "/chat_template_kwargs/tokenize"],
  },
  { continue_final_message: 1, pointers: ["/continue_final_message"] },
  { continue_final_message: true, add_generation_prompt: true, pointers: ["/continue_final_message"] },
  { continue_final_message: "reasoning_content", pointers: ["/messages"] },
  {
    messages: [{ role: "user", content: [{ type: "image_url" }, { type: "text" }, 3] }],
    pointers: ["/messages/0/content/0/type", "/messages/0/content/1/text", "/messages/0/content/2"],
  },
  { messages: [{ role: "assistant", content: null }], pointers: ["/messages/0/content"] },
];

for (const { pointers, ...fields } of refusals) {
  test(`refused at ${pointers.join(" and ")}: ${JSON.stringify(fields)}`, () => {
    const errors = refusedFields("corral", { messages: [user], ...fields });
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      pointers,
    );
  });
}

test("options of a chat are refused beside another kind of prompt", () => {
  const errors = refusedFields("corral", { prompt: "Hi", tools: [], continue_final_message: true });
  assert.deepEqual(
    errors.map(({ pointer }) => pointer),
    ["/tools", "/continue_final_message"],
  );
});
