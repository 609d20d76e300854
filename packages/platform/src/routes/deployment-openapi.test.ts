import assert from "node:assert/strict";
import { test } from "node:test";
import { deploymentOpenApi, named } from "./deployment-openapi.ts";

const known = { id: "d1", name: "shop", modelName: "my shop", versionId: "v1" };

test("parts of a schema become components, and references lead to them", () => {
  const node = { type: "object", properties: { next: { $ref: "#/$defs/a~1b" }, self: { $ref: "#" } } };
  const parts = named("Input", {
    $schema: "x",
    ...node,
    default: { $ref: "#/$defs/data" },
    $defs: { "a/b": { $ref: "#/$defs/a~1b" } },
  });
  assert.deepEqual(parts, {
    Input: {
      type: "object",
      properties: {
        next: { $ref: "#/components/schemas/Input_a_b" },
        self: { $ref: "#/components/schemas/Input" },
      },
      default: { $ref: "#/$defs/data" },
    },
    Input_a_b: { $ref: "#/components/schemas/Input_a_b" },
  });
  let deep: Record<string, unknown> = {};
  for (let level = 0; level < 20_000; level += 1) deep = { items: deep };
  JSON.stringify(named("Input", deep));
});

test("names of properties mean nothing, and parts whose names look alike stay apart", () => {
  const part = { $ref: "#/$defs/a~1b" };
  const properties = { default: part, enum: { items: part }, $ref: part, const: { $ref: "#/$defs/a%20b" } };
  const parts = named("Input", { properties, $defs: { "a/b": { const: 1 }, a_b: {}, "a b": {} } });
  const [own] = Object.values(parts) as { properties: Record<string, unknown> }[];
  const moved = { $ref: "#/components/schemas/Input_a_b_2" };
  assert.deepEqual(own?.properties, {
    default: moved,
    enum: { items: moved },
    $ref: moved,
    const: { $ref: "#/components/schemas/Input_a_b_3" },
  });
  assert.deepEqual(parts["Input_a_b_2"], { const: 1 });
  assert.deepEqual(Object.keys(parts).toSorted(), ["Input", "Input_a_b", "Input_a_b_2", "Input_a_b_3"]);
});

test("code has its schemas, code that is not known and code without any take anything", () => {
  const schemas = { input: { type: "string" }, output: null, supports_streaming: true };
  const documented = deploymentOpenApi({ ...known, code: { known: { methods: ["predict"], schemas } } });
  const { paths, components } = documented as {
    paths: Record<string, { post: { responses: Record<string, { content: object }> } }>;
    components: { schemas: Record<string, unknown> };
  };
  const [path = ""] = Object.keys(paths);
  assert.equal(path, "/model/my%20shop/deployment/d1/predict");
  assert.deepEqual(components.schemas["Input"], { type: "string" });
  assert.deepEqual(Object.keys(paths[path]?.post.responses["200"]?.content ?? {}), [
    "application/octet-stream",
  ]);
  for (const code of [null, { methods: [], schemas: null }]) {
    const open = deploymentOpenApi({ ...known, code: { known: code } }) as typeof documented & {
      components: { schemas: Record<string, unknown> };
    };
    assert.deepEqual(open.components.schemas["Input"], {});
  }
});

test("a model of weights has the parameters of generate", () => {
  const { paths, components } = deploymentOpenApi({ ...known, code: null }) as {
    paths: object;
    components: { schemas: { Input: { properties: Record<string, unknown> } } };
  };
  assert.deepEqual(Object.keys(paths), ["/api/v1/deployments/d1/generate"]);
  assert.ok("num_beams" in components.schemas.Input.properties);
});
