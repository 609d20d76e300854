import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChatTemplate } from "./chat-template.ts";
import { withWrittenFloats } from "./written-floats.ts";

const read = (text: string) =>
  withWrittenFloats(new TextEncoder().encode(text), JSON.parse(text) as Record<string, unknown>);

test("a template shows whole floats as they were written, and a number elsewhere is a number", () => {
  const body = read(
    '{"temperature": 1.0, "messages": [{"role": "user", "content": "1.0 1e3"}], "tools": [{"a": 1.0, "b": 1, "c": [-0.0, 2e3, 2.5]}]}',
  );
  const template = parseChatTemplate("{{ tools[0]|tojson }} {{ tools[0].a }} {{ tools[0].b + 1 }}", {});
  const text = template.render(body["messages"] as [], {
    addGenerationPrompt: false,
    continueFinalMessage: false,
    tools: body["tools"] as [],
  });
  assert.equal(text, '{"a": 1.0, "b": 1, "c": [-0.0, 2000.0, 2.5]} 1.0 2');
  assert.equal(body["temperature"], 1);
  assert.equal(JSON.stringify(body["tools"]), '[{"a":1,"b":1,"c":[0,2000,2.5]}]');
});

test("a body without such numbers, or without a conversation, stays as it was parsed", () => {
  for (const text of ['{"messages": [{"a": 1.5, "b": "x"}]}', '{"prompt": "1.0", "temperature": 1.0}']) {
    const body = JSON.parse(text) as Record<string, unknown>;
    assert.equal(withWrittenFloats(new TextEncoder().encode(text), body), body);
  }
});
