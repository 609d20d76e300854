import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment } from "@corral/contract";
import { exampleCall } from "../example-call.ts";
import { exampleBody, exampleValue } from "./example-value.ts";

test("a value is made of what is required, as its types and least values say", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string" },
      size: { type: "integer", minimum: 3 },
      kind: { enum: ["a", "b"] },
      parts: { type: "array", items: { $ref: "#/components/schemas/Part" }, minItems: 1 },
      tags: { type: "array", items: {} },
      note: { anyOf: [{ type: "boolean" }, { type: "null" }] },
      left: { type: "string" },
      given: { type: "number", default: 0.5 },
    },
    required: ["name", "size", "kind", "parts", "tags", "note", "given"],
  };
  const part = { type: "object", properties: { self: { $ref: "#/components/schemas/Part" } } };
  assert.deepEqual(
    exampleValue(schema, () => part),
    { name: "text", size: 3, kind: "a", parts: [{}], tags: [], note: true, given: 0.5 },
  );
  const endless = { type: "object", properties: { self: { $ref: "#" } }, required: ["self"] };
  JSON.stringify(exampleValue(endless, () => endless));
});

test("code that declares nothing gets an empty object, and an author's example is taken as it is", () => {
  const components = { schemas: { Input: {} } };
  assert.deepEqual(exampleBody({ components }), {});
  const content = { "application/json": { example: { text: "it's" } } };
  const paths = { "/x": { post: { requestBody: { content } } } };
  assert.deepEqual(exampleBody({ components, paths }), { text: "it's" });
  const deployment = { id: "d1", model_name: "words", identifiers: [] } as unknown as Deployment;
  const { curl } = exampleCall("http://x", deployment, "$KEY", { text: "it's" });
  assert.ok(curl.endsWith(`-d '{"text":"it'\\''s"}'`), curl);
});
