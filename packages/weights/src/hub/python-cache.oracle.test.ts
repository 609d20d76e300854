// Against what huggingface_hub was seen to read, to ask and to write: scripts/oracle/record_hub_cache.py.

import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fetchFromHub, findInHubCache } from "./fetch.ts";
import { readHubSettings } from "./settings.ts";
import { assertSame, startHubCase } from "./testing/hub-case.ts";

interface CacheEntry {
  readonly link?: string;
  readonly text?: string;
  readonly size?: number;
  readonly sha256?: string;
}

interface PythonRecord {
  readonly recorded_with: { readonly huggingface_hub: string };
  readonly files: Readonly<Record<string, string>>;
  readonly cache: Readonly<Record<string, CacheEntry>>;
  readonly requests: readonly { readonly method: string; readonly path: string }[];
  readonly refusals: readonly {
    readonly repository: string;
    readonly file: string;
    readonly revision: string;
    readonly token: string | null;
    readonly python: string;
  }[];
  readonly constants: readonly {
    readonly variables: Readonly<Record<string, string>>;
    readonly read: {
      readonly cache: string;
      readonly offline: boolean;
      readonly endpoint: string;
      readonly token: string | null;
    };
  }[];
}

const record = JSON.parse(
  readFileSync(new URL("test-data/python-cache.json", import.meta.url), "utf8"),
) as PythonRecord;
const files = Object.fromEntries(
  Object.entries(record.files).map(([path, text]) => [path, Buffer.from(text, "base64")]),
);
const repository = "owner/name";
const needed = [
  "additional_chat_templates/tool.jinja",
  "config.json",
  "tokenizer.model",
  "model.safetensors",
];

test("the variables are read as Python reads them", async () => {
  assert.equal(record.constants.length, 13);
  for (const { variables, read } of record.constants) {
    const settings = await readHubSettings({ HOME: "/home/me", ...variables });
    const { cacheDirectory: cache, offline, endpoint, token } = settings;
    assert.deepEqual(
      { cache, offline, endpoint, token: token?.value ?? null },
      read,
      JSON.stringify(variables),
    );
  }
});

test("what is fetched here lies as if Python had fetched it, link by link and byte by byte", async (t) => {
  const { options, cache } = await startHubCase(t, files);
  await fetchFromHub({ repository }, options);
  const directory = join(cache, "models--owner--name");
  const laid = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted((left, right) => (left < right ? -1 : 1));
  assert.deepEqual(laid, Object.keys(record.cache));
  for (const [path, entry] of Object.entries(record.cache)) {
    if (entry.link !== undefined) assert.equal(readlinkSync(join(directory, path)), entry.link);
    else if (entry.text !== undefined) assert.equal(readFileSync(join(directory, path), "utf8"), entry.text);
    else assert.equal(readFileSync(join(directory, path)).length, entry.size);
  }
});

test("what Python fetched is found here, with its list of the commit and without", async (t) => {
  const { hub, cache, withVariables } = await startHubCase(t, files);
  const directory = join(cache, "models--owner--name");
  writePythonCache(directory);
  const found = await findInHubCache({ repository }, withVariables({}));
  assert.ok(found !== null);
  assertSame(found, files, needed);
  assert.deepEqual(await fetchFromHub({ repository }, withVariables({ HF_HUB_OFFLINE: "1" })), found);
  rmSync(join(directory, "trees"), { recursive: true });
  assert.deepEqual(await findInHubCache({ repository }, withVariables({})), found);
  assert.equal(hub.requests.length, 0);
  // Online, only the branch and its list are asked for: all bytes are there.
  assert.deepEqual(await fetchFromHub({ repository }, withVariables({})), found);
  assert.equal(hub.requests.length, 2);
});

test("nothing is asked of a hub that Python does not ask, too", async (t) => {
  const { hub, options } = await startHubCase(t, files);
  await fetchFromHub({ repository }, options);
  const known = new Set(record.requests.map((request) => kindOf(request.path)));
  for (const { method, path } of hub.requests) {
    assert.equal(method, "GET");
    assert.ok(known.has(kindOf(path)), path);
  }
});

test("each refusal that Python tells apart has its code here", async (t) => {
  const codes: Readonly<Record<string, string>> = {
    GatedRepoError: "repository_gated",
    RepositoryNotFoundError: "repository_not_found",
    RevisionNotFoundError: "repository_not_found",
    RemoteEntryNotFoundError: "weights_missing",
    // A token that the hub does not know.
    HfHubHTTPError: "repository_gated",
  };
  const open = await startHubCase(t, files);
  const gated = await startHubCase(t, files, { repository: { gated: "auto" } });
  assert.equal(new Set(record.refusals.map((refusal) => refusal.python)).size, 5);
  for (const { repository: asked, file, revision, token, python } of record.refusals) {
    const hubCase = asked === "owner/gated" ? gated : open;
    const name = asked === "owner/gated" ? repository : asked;
    const attempt = fetchFromHub(
      { repository: name, revision, file: file.endsWith(".gguf") ? file : null },
      hubCase.withVariables(token === null ? {} : { HF_TOKEN: token }),
    );
    await assert.rejects(
      attempt,
      { code: codes[python] },
      `${asked} ${file} ${revision} ${token}: ${python}`,
    );
  }
});

function writePythonCache(directory: string): void {
  const bytes = new Map(Object.values(files).map((content) => [content.length, content]));
  for (const [path, entry] of Object.entries(record.cache)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    if (entry.link !== undefined) symlinkSync(entry.link, join(directory, path));
    else writeFileSync(join(directory, path), entry.text ?? bytes.get(entry.size ?? 0) ?? "");
  }
}

/** The path without its commit, its file and its query. */
function kindOf(path: string): string {
  return path
    .replace(/\?.*/, "")
    .replaceAll(/[0-9a-f]{40}/g, "COMMIT")
    .replace(/(COMMIT|\/main)\/.+$/, "$1/FILE");
}
