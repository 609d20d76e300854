// What the real command asked, recorded by `scripts/record-truss-requests.ts`, asked again: a break of its calls shows
// without the command.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Kind, parse, type SelectionSetNode } from "graphql";
import { readFileSync } from "node:fs";
import { startTestPlatform, type TestPlatform } from "../../testing/start-test-platform.ts";
import type { UploadAnswer } from "./testing/sign.ts";
import { archiveOf, objectUrl, send, type GraphQlAnswer } from "./testing/truss-command.ts";

interface Recording {
  readonly truss: string;
  readonly commands: readonly {
    readonly command: string;
    readonly requests: readonly { readonly contentType: string; readonly body: string }[];
  }[];
}

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

for (const version of ["0.9.14", "0.18.35"]) {
  const { commands } = JSON.parse(
    readFileSync(new URL(`./testing/recorded/truss-${version}.json`, import.meta.url), "utf8"),
  ) as Recording;
  // Each recording begins with a server that knows no model.
  const prefix = `r${version.replaceAll(".", "")}`;
  for (const [at, { command, requests }] of commands.entries()) {
    test(`truss ${version}, ${command}: every call is answered with every member that it selects`, async () => {
      let keys: UploadAnswer | null = null;
      for (const request of requests) {
        const isForm = !request.contentType.includes("json");
        const given = isForm
          ? Object.fromEntries(new URLSearchParams(request.body))
          : (JSON.parse(request.body) as Record<string, unknown>);
        const query = await withIds(String(given["query"]), prefix, keys?.s3_key ?? "");
        const answer = await ask({ ...given, query }, isForm);
        // The oldest asks for a model by its name to see whether it is there.
        const isFirstLook = isForm && /\bmodel\(name:/.test(query) && answer.errors !== undefined;
        if (isFirstLook) {
          assert.equal(answer.errors?.[0]?.extensions.code, "RESOURCE_NOT_FOUND");
          continue;
        }
        assert.equal(answer.errors, undefined, `${query}: ${JSON.stringify(answer.errors)}`);
        requireSelected(query, answer.data);
        const credentials = answer.data?.["model_s3_upload_credentials"];
        if (credentials !== undefined) {
          keys = credentials as unknown as UploadAnswer;
          await upload(keys, `${prefix} ${at}`);
        }
      }
    });
  }
}

async function ask(given: Record<string, unknown>, isForm: boolean): Promise<GraphQlAnswer> {
  const { query } = given as { query: string };
  const response = isForm
    ? await platform.request("/graphql/", { method: "POST", body: new URLSearchParams({ query }) })
    : await platform.post("/graphql/", given);
  assert.equal(response.status, 200);
  return (await response.json()) as GraphQlAnswer;
}

/** Names of this recording's own, and the ids that this platform gave where the recorded one's stand. */
async function withIds(query: string, prefix: string, s3Key: string): Promise<string> {
  const named = query.replaceAll(/"(recorded|watched)"/g, `"${prefix}-$1"`).replaceAll("{s3_key}", s3Key);
  const [, word, id] = /\b(model_id|truss_id|id)\s*:\s*"([0-9a-z]{6,12})"/.exec(named) ?? [];
  if (word === undefined || id === undefined) return named;
  const title = named.includes("draft_truss") || /truss_watch|model\(id/.test(named) ? "watched" : "recorded";
  const list = await ask({ query: "{ models(all: true) { id name } }" }, false);
  const models = list.data?.["models"] as unknown as { id: string; name: string }[];
  const found = models.find(({ name }) => name === `${prefix}-${title}`);
  return named.replaceAll(`"${id}"`, `"${found?.id ?? id}"`);
}

async function upload(keys: UploadAnswer, mark: string): Promise<void> {
  const files = {
    "config.yaml": "model_name: recorded\n",
    "model/__init__.py": "",
    "model/model.py": `class Model:\n    def predict(self, model_input):\n        return ${JSON.stringify(mark)}\n`,
  };
  const sent = await send(keys, { method: "PUT", url: objectUrl(keys), body: await archiveOf(files) });
  assert.equal(sent.status, 200);
}

/** Whether the answer has each member of the document's selections, at any depth. */
function requireSelected(query: string, data: unknown): void {
  for (const definition of parse(query).definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) walk(definition.selectionSet, data, "");
  }
}

function walk(selection: SelectionSetNode | undefined, value: unknown, path: string): void {
  if (selection === undefined || value === null) return;
  if (Array.isArray(value)) {
    for (const one of value) walk(selection, one, path);
    return;
  }
  for (const node of selection.selections) {
    if (node.kind !== Kind.FIELD) continue;
    const name = (node.alias ?? node.name).value;
    assert.ok(
      typeof value === "object" && value !== undefined && name in value,
      `${path}.${name} is not answered`,
    );
    walk(node.selectionSet, (value as Record<string, unknown>)[name], `${path}.${name}`);
  }
}

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
