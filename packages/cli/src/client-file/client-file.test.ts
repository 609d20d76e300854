// Types made of schemas, and the client that is made of a document: TypeScript itself says what it takes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { clientFile } from "./client-file.ts";
import { schemaType } from "./schema-type.ts";

const repository = fileURLToPath(new URL("../../../..", import.meta.url));

const typeOf = (schema: unknown) =>
  schemaType(schema, (reference) => (reference === "#/components/schemas/Part" ? "Part" : null));

test("each kind of schema has its type, and what no type says is left out", () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{}, "unknown"],
    [true, "unknown"],
    [false, "never"],
    [{ type: "string", maxLength: 3 }, "string"],
    [{ type: "integer", minimum: 1 }, "number"],
    [{ type: ["number", "null"] }, "number | null"],
    [{ const: "a" }, '"a"'],
    [{ enum: ["a", 1, null] }, '"a" | 1 | null'],
    [{ type: "array", items: { type: "string" } }, "readonly string[]"],
    [
      { type: "array", items: { anyOf: [{ type: "string" }, { type: "null" }] } },
      "readonly (string | null)[]",
    ],
    [{ type: "array", prefixItems: [{ type: "number" }, { type: "string" }] }, "readonly [number, string]"],
    [{ $ref: "#/components/schemas/Part" }, "Part"],
    [{ $ref: "#/components/schemas/Other" }, "unknown"],
    [{ type: "object", additionalProperties: { type: "number" } }, "{ readonly [name: string]: number }"],
    [{ type: "object", properties: {}, additionalProperties: false }, "Record<string, never>"],
    [
      {
        type: "object",
        properties: { "a-b": { type: "string", description: "Ends */ here" } },
        required: ["a-b"],
      },
      '{ /** Ends * / here */ readonly "a-b": string }',
    ],
    [{ allOf: [{ $ref: "#/components/schemas/Part" }, {}] }, "Part"],
  ];
  for (const [schema, type] of cases) assert.equal(typeOf(schema), type, JSON.stringify(schema));
  let deep: unknown = { type: "string" };
  for (let level = 0; level < 10_000; level += 1) deep = { type: "array", items: deep };
  assert.match(typeOf(deep), /unknown/);
});

const text = { type: "string" };
const documentOf = (content: object, schemas: object) => ({
  info: { title: "shop\n*/", version: "v1" },
  paths: { "/model/shop/deployment/d1/predict": { post: { responses: { "200": { content } } } } },
  components: { schemas: { ...schemas, Error: {} } },
});
const answers = documentOf(
  { "application/json": {} },
  {
    Input: {
      type: "object",
      properties: {
        items: { type: "array", items: { $ref: "#/components/schemas/Input_Item" } },
        mode: { enum: ["fast", "slow"] },
      },
      required: ["items"],
      additionalProperties: false,
    },
    Input_Item: {
      type: "object",
      properties: {
        name: text,
        parts: { type: "array", items: { $ref: "#/components/schemas/Input_Item" } },
      },
      required: ["name"],
    },
    "Input.Item": text,
    Output: { type: "object", properties: { total: { type: "number" } }, required: ["total"] },
  },
);
const streams = documentOf({ "application/octet-stream": {} }, { Input: {}, Output: {} });
const generates = documentOf(
  { "application/json": {}, "text/event-stream": {} },
  {
    Input: {
      type: "object",
      properties: { prompt: text, stream: { anyOf: [{ type: "boolean" }, { type: "null" }] } },
      additionalProperties: {},
    },
    Output: { $ref: "#/components/schemas/Output_Loop" },
    Output_Loop: { anyOf: [{ $ref: "#/components/schemas/Output_Back" }, { type: "null" }] },
    Output_Back: { allOf: [{ $ref: "#/components/schemas/Output_Loop" }] },
    Output_Self: { $ref: "#/components/schemas/Output_Self" },
    Output_List: {
      type: "array",
      items: {
        anyOf: [
          { $ref: "#/components/schemas/Output_List" },
          { $ref: "#/components/schemas/Output_Self" },
          text,
        ],
      },
    },
  },
);

/** Of the text of a file that a test writes. */
const importLine = (what: string, from: string) => `import { ${what} } from "./${from}.ts";`;

test("a client compiles with right calls, and wrong ones are found in their lines", () => {
  const directory = mkdtempSync(join(tmpdir(), "corral-client-"));
  try {
    const options = { url: "http://127.0.0.1:5526", command: "corral client shop" };
    writeFileSync(join(directory, "package.json"), '{"type":"module"}');
    writeFileSync(join(directory, "shop.ts"), clientFile(answers, options));
    writeFileSync(join(directory, "words.ts"), clientFile(streams, options));
    writeFileSync(join(directory, "llama.ts"), clientFile(generates, options));
    writeFileSync(
      join(directory, "calls.ts"),
      `${importLine("createClient", "shop")}
${importLine("createClient as createWords", "words")}
${importLine("createClient as createLlama, type OutputList", "llama")}
const shop = createClient({ key: "k" });
const { total } = await shop.predict({ items: [{ name: "a", parts: [{ name: "b" }] }], mode: "fast" });
export const sum: number = total;
for await (const piece of createWords({ key: "k" }).predict("anything")) piece.toUpperCase();
const llama = createLlama({ key: "k" });
export const nested: OutputList = [[["a"], "b"]];
for await (const { event, data } of llama.stream({ prompt: "a" })) if (event === "token") data.text.toUpperCase();
await llama.predict({ prompt: "a", of_another_name: 1 });
await shop.predict({ items: [{ name: 1 }] });
await shop.predict({ items: [], mode: "medium" });
await shop.predict({ items: [], other: true });
(await shop.predict({ items: [] })).totals;
await llama.predict({ prompt: "a", stream: true });
await llama.predict({ prompt: 5 });
llama.stream({ prompt: 5 });
`,
    );
    const { stdout } = spawnSync(
      join(repository, "node_modules/.bin/tsc"),
      [
        "--noEmit",
        "--strict",
        "--target",
        "esnext",
        "--module",
        "nodenext",
        "--lib",
        "esnext,dom,dom.asynciterable",
      ].concat(["--allowImportingTsExtensions", "--exactOptionalPropertyTypes", "--types", "", "calls.ts"]),
      { cwd: directory, encoding: "utf8" },
    );
    const lines = stdout
      .split("\n")
      .filter((line) => line.includes("error TS"))
      .map((line) => /^(\w+\.ts)\((\d+)/.exec(line)?.slice(1).join(":") ?? line);
    assert.deepEqual(
      lines,
      [12, 13, 14, 15, 16, 17, 18].map((line) => `calls.ts:${line}`),
      stdout,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("the client of a model of weights reads events until the last one, and says where they break off", async () => {
  const directory = mkdtempSync(join(tmpdir(), "corral-client-"));
  try {
    const path = join(directory, "llama.ts");
    writeFileSync(path, clientFile(generates, { url: "http://127.0.0.1:1", command: "corral client llama" }));
    const { createClient } = (await import(pathToFileURL(path).href)) as {
      createClient: (options: object) => {
        stream(input: object): AsyncIterable<{ event: string; data: unknown }>;
      };
    };
    const read = async (answer: string) => {
      const sent: unknown[] = [];
      const bodies = async (_url: string, { body }: { body: string }) => {
        sent.push(JSON.parse(body));
        return new Response(answer);
      };
      const events: string[] = [];
      for await (const { event } of createClient({ key: "k", fetch: bodies }).stream({ prompt: "a" }))
        events.push(event);
      assert.deepEqual(sent, [{ prompt: "a", stream: true }]);
      return events;
    };
    const token = 'event: token\ndata: {"text":"a"}\nid: 1\n\n';
    assert.deepEqual(await read(`: ping\n\n${token}${token}event: done\ndata: {}\n\n`), [
      "token",
      "token",
      "done",
    ]);
    await assert.rejects(read(token), /broke off before its end/);
    await assert.rejects(read(`${token}event: error\ndata: {"error":{"code":"internal"}}\n\n`), /internal/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
