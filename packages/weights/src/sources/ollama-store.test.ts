import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { sampleGguf } from "../gguf/sample-gguf.ts";
import { ollamaParameters } from "./ollama-parameters.ts";
import { anyRealPath, resolveSource } from "./resolve-source.ts";

const store = realpathSync(mkdtempSync(join(tmpdir(), "corral-ollama-")));
after(() => rmSync(store, { recursive: true, force: true }));
const options = {
  directory: store,
  environment: { OLLAMA_MODELS: store },
  realPath: anyRealPath,
};

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const layer = (type: string, letter: string) => ({
  mediaType: `application/vnd.ollama.image.${type}`,
  digest: digest(letter),
  size: 1,
});
function write(path: string, content: string | Buffer): void {
  const full = join(store, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
}
const writeBlob = (letter: string, content: string | Buffer) =>
  write(`blobs/sha256-${letter.repeat(64)}`, content);
const writeManifest = (name: string, ...layers: readonly object[]) =>
  write(`manifests/${name}`, JSON.stringify({ schemaVersion: 2, layers }));

writeBlob("a", sampleGguf());
writeBlob(
  "b",
  JSON.stringify({ stop: ["<|eot_id|>"], temperature: 0.5, top_k: 20, num_ctx: 4096, mirostat: 1 }),
);
writeManifest(
  "registry.ollama.ai/library/llama3.2/1b",
  layer("model", "a"),
  layer("template", "c"),
  layer("params", "b"),
  layer("license", "d"),
);
writeManifest("registry.ollama.ai/library/llama3.2/latest", layer("model", "a"));
writeManifest("registry.ollama.ai/someone/tuned/q4", layer("model", "a"), layer("adapter", "e"));
writeManifest("registry.ollama.ai/library/gone/latest", layer("model", "f"));

const fails = (text: string, code: string, message: RegExp) =>
  assert.rejects(resolveSource(`ollama:${text}`, options), (error: Error & { code?: string }) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });

test("a model of Ollama's is used where its blob lies, with the parameters that mean the same", async () => {
  const found = await resolveSource("ollama:llama3.2:1b", options);
  assert.deepEqual(found?.source, { kind: "gguf", path: join(store, "blobs", `sha256-${"a".repeat(64)}`) });
  assert.equal(found?.name, "llama3.2-1b");
  assert.deepEqual(found?.generationConfig, {
    stop_strings: ["<|eot_id|>"],
    temperature: 0.5,
    top_k: 20,
    do_sample: true,
  });
  assert.equal(found?.contextLength, 4096);
  assert.match(found?.warnings.join(" ") ?? "", /mirostat.*template has no effect/);
  assert.equal((await resolveSource("ollama:llama3.2", options))?.name, "llama3.2");
});

test("a name that is not there gives the nearest, or those that are", async () => {
  await fails("lama3.2", "weights_missing", /did you mean ollama:llama3\.2/);
  await fails(
    "mixtral-of-experts",
    "weights_missing",
    /it has gone, llama3\.2, llama3\.2:1b, someone\/tuned:q4/,
  );
  await fails("../../../etc/passwd", "weights_missing", /passwd/);
  await fails("a/b/c/d/e", "weights_missing", /a\/b\/c\/d\/e/);
});

test("a missing blob and an adapter are told with their files", async () => {
  await fails(
    "gone",
    "weights_missing",
    /sha256-f+.*library\/gone\/latest names it: run `ollama pull gone` again/,
  );
  await fails("someone/tuned:q4", "weights_unsupported", /someone\/tuned\/q4.*adapter/);
});

test("a manifest that is none is unreadable", async () => {
  write("manifests/registry.ollama.ai/library/odd/latest", '{"layers":[{"digest":"sha256:../../x"}]}');
  await fails("odd", "weights_unreadable", /odd\/latest.*no digest/);
  write("manifests/registry.ollama.ai/library/odd/cut", '{"layers":[');
  await fails("odd:cut", "weights_unreadable", /odd\/cut.*not valid JSON/);
});

test("a temperature of 0 means the likeliest token", () => {
  assert.deepEqual(ollamaParameters({ temperature: 0 }).generationConfig, { do_sample: false });
});
