import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { plainMetadata, sampleGguf } from "../gguf/sample-gguf.ts";
import { anyRealPath, isLocalSource, resolveSource } from "./resolve-source.ts";

const place = realpathSync(mkdtempSync(join(tmpdir(), "corral-sources-")));
after(() => rmSync(place, { recursive: true, force: true }));
const options = { directory: place, environment: { HOME: place }, realPath: anyRealPath };

/** Writes files by their paths under a new directory; a text beginning with "-> " is a link. */
function lay(name: string, files: Readonly<Record<string, string | Buffer>>): string {
  const directory = join(place, name);
  for (const [path, content] of Object.entries(files)) {
    const full = join(directory, path);
    mkdirSync(dirname(full), { recursive: true });
    if (typeof content === "string" && content.startsWith("-> ")) symlinkSync(content.slice(3), full);
    else writeFileSync(full, content);
  }
  return directory;
}

const huggingFace = {
  "config.json": '{"architectures":["LlamaForCausalLM"]}',
  "tokenizer.json": "{}",
  "model.safetensors": "weights",
};
const index = JSON.stringify({
  weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
});
const fails = (text: string, code: string, message: RegExp) =>
  assert.rejects(resolveSource(text, options), (error: Error & { code?: string }) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });

test("names of the catalogue and of the hub are no sources of this machine", async () => {
  for (const text of ["llama-3-8b-instruct", "meta-llama/Llama-2-7b-hf", "owner/name@main"]) {
    assert.equal(isLocalSource(text), false);
    assert.equal(await resolveSource(text, options), null);
  }
});

test("a GGUF file is used where it lies, under its own name", async () => {
  const directory = lay("plain", { "My Model.Q4_0.gguf": sampleGguf() });
  const path = join(directory, "My Model.Q4_0.gguf");
  const found = await resolveSource("plain/My Model.Q4_0.gguf", options);
  assert.deepEqual(found?.source, { kind: "gguf", path });
  assert.equal(found?.name, "my-model.q4_0");
  await fails("./plain/other.gguf", "weights_missing", /other\.gguf/);
  await fails("./plain/cut.gguf", "weights_missing", /cut\.gguf/);
});

test("a link is resolved once, and the name is the link's", async () => {
  const directory = lay("linked", { blob: sampleGguf(), "fine.gguf": "-> blob" });
  const found = await resolveSource("./linked/fine.gguf", options);
  assert.deepEqual(found?.source, { kind: "gguf", path: join(directory, "blob") });
  assert.equal(found?.name, "fine");
});

test("a header that lies or ends early is refused, naming the file", async () => {
  const whole = sampleGguf();
  lay("broken", {
    "cut.gguf": whole.subarray(0, whole.length - 600),
    "short.gguf": whole.subarray(0, 40),
    "text.gguf": "hello, this is no model at all",
  });
  await fails("./broken/cut.gguf", "weights_unreadable", /cut\.gguf.*cut off, fetch it again/);
  await fails("./broken/short.gguf", "weights_unreadable", /short\.gguf/);
  await fails("./broken/text.gguf", "weights_unreadable", /text\.gguf.*GGUF/);
});

describe("a directory", () => {
  test("of Hugging Face's is taken whole, sharded or not", async () => {
    const single = lay("My-Finetune", huggingFace);
    const found = await resolveSource("./My-Finetune", options);
    assert.deepEqual(found?.source, { kind: "directory", path: single });
    assert.equal(found?.name, "my-finetune");
    const sharded = lay("sharded", {
      ...huggingFace,
      "model.safetensors.index.json": index,
      "model-00001-of-00002.safetensors": "a",
      "model-00002-of-00002.safetensors": "b",
    });
    assert.deepEqual((await resolveSource(sharded, options))?.source, { kind: "directory", path: sharded });
  });

  test("with one model as GGUF is that file", async () => {
    const directory = lay("one", { "m.gguf": sampleGguf(), "mmproj-m.gguf": "x", "README.md": "x" });
    assert.deepEqual((await resolveSource(directory, options))?.source, {
      kind: "gguf",
      path: join(directory, "m.gguf"),
    });
    lay("named", { "Llama-3-8B-imatrix-Q4_K_M.gguf": sampleGguf(), "Llama-3-8B.imatrix.gguf": "x" });
    assert.match((await resolveSource("./named", options))?.source.path ?? "", /-imatrix-Q4_K_M\.gguf$/);
    lay("none", { "mmproj-m.gguf": "x", "imatrix.gguf": "x" });
    await fails("./none", "weights_missing", /imatrix\.gguf, mmproj-m\.gguf .* fetch the model, too/);
    lay("two", { "a.gguf": sampleGguf(), "b.gguf": sampleGguf() });
    await fails("./two", "weights_unsupported", /2 models \(a\.gguf, b\.gguf\): name one/);
  });

  test("that lacks a file says which, and what to do", async () => {
    const { "config.json": config, "tokenizer.json": tokenizer, ...weights } = huggingFace;
    lay("no-config", { "tokenizer.json": tokenizer, ...weights });
    await fails("./no-config", "weights_missing", /no-config\/config\.json; .*fetch/);
    lay("no-tokenizer", { "config.json": config, ...weights });
    await fails("./no-tokenizer", "weights_missing", /tokenizer\.json.*tokenizer\.model/);
    lay("no-weights", { "config.json": config, "tokenizer.json": tokenizer });
    await fails("./no-weights", "weights_missing", /model\.safetensors; .*no weights/);
    lay("no-shard", {
      ...huggingFace,
      "model.safetensors.index.json": index,
      "model-00001-of-00002.safetensors": "a",
    });
    await fails("./no-shard", "weights_missing", /model-00002-of-00002\.safetensors; .*names 2 files/);
    await fails("./nowhere", "weights_missing", /nowhere/);
  });

  test("of another kind is told by its files", async () => {
    const { "model.safetensors": _, ...rest } = huggingFace;
    lay("torch", { ...rest, "pytorch_model-00001-of-00002.bin": "x" });
    await fails("./torch", "weights_unsupported", /pytorch_model-00001-of-00002\.bin.*save_pretrained/);
    lay("keras", { ...rest, "tf_model.h5": "x" });
    await fails("./keras", "weights_unsupported", /tf_model\.h5.*only safetensors and GGUF/);
    lay("adapter", { "adapter_config.json": "{}", "adapter_model.safetensors": "x" });
    await fails("./adapter", "weights_unsupported", /adapter_config\.json.*base model/);
    lay("bundle", { "config.yaml": "model_name: x" });
    await fails("./bundle", "weights_unsupported", /corral push/);
  });

  test("whose index names files elsewhere is refused", async () => {
    lay("escape", {
      ...huggingFace,
      "model.safetensors.index.json": JSON.stringify({ weight_map: { a: "../plain/x.safetensors" } }),
    });
    await fails("./escape", "weights_unreadable", /index\.json.*no file of this directory/);
    lay("garbled", { ...huggingFace, "model.safetensors.index.json": "{" });
    await fails("./garbled", "weights_unreadable", /index\.json.*not valid JSON/);
  });

  test("is read only where every file of it may be", async () => {
    const secret = lay("secret", { "model.safetensors": "x" });
    const { "model.safetensors": _, ...rest } = huggingFace;
    lay("inside", { ...rest, "model.safetensors": `-> ${join(secret, "model.safetensors")}` });
    const realPath = async (path: string) => {
      const real = await anyRealPath(path);
      if (real.startsWith(secret)) throw new Error(`${path} leads out`);
      return real;
    };
    await assert.rejects(resolveSource("./inside", { ...options, realPath }), /model\.safetensors leads out/);
    const out = `-> ${join(secret, "model.safetensors")}`;
    const others = [
      "README.md",
      "added_tokens.json",
      "additional_chat_templates/tool.jinja",
      "chat_template.jinja",
      "chat_template.json",
      "model.safetensors.index.json",
    ];
    for (const [number, name] of others.entries()) {
      lay(`linked-${number}`, { ...huggingFace, [name]: out });
      const message = new RegExp(`${name.replaceAll(".", "\\.")} leads out`);
      await assert.rejects(resolveSource(`./linked-${number}`, { ...options, realPath }), message);
    }
    lay("beside", { "m.gguf": sampleGguf(), "generation_config.json": out });
    for (const path of ["./beside", "./beside/m.gguf"])
      await assert.rejects(
        resolveSource(path, { ...options, realPath }),
        /generation_config\.json leads out/,
      );
  });
});

describe("a repository in the Hugging Face cache", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const links = Object.keys(huggingFace).map((name) => [name, `-> ../../blobs/${name}`] as const);

  test("is found by its directory or its snapshot, with its name and commit", async () => {
    const repository = lay("hub/models--meta-llama--Llama-3.2-1B", {
      "refs/main": commit,
      ...Object.fromEntries(Object.entries(huggingFace).map(([name, text]) => [`blobs/${name}`, text])),
      ...Object.fromEntries(links.map(([name, link]) => [`snapshots/${commit}/${name}`, link])),
    });
    const snapshot = join(repository, "snapshots", commit);
    for (const path of [repository, snapshot]) {
      const found = await resolveSource(path, options);
      assert.deepEqual(found?.source, { kind: "directory", path: snapshot });
      assert.deepEqual(
        [found?.kind, found?.name, found?.repository, found?.revision],
        ["hub_cache", "llama-3.2-1b", "meta-llama/Llama-3.2-1B", commit],
      );
    }
  });

  test("of the time before owners is found, too", async () => {
    const repository = lay("hub/models--gpt2", {
      "refs/main": commit,
      ...Object.fromEntries(
        Object.entries(huggingFace).map(([name, text]) => [`snapshots/${commit}/${name}`, text]),
      ),
    });
    const found = await resolveSource(repository, options);
    assert.deepEqual([found?.kind, found?.name, found?.repository], ["hub_cache", "gpt2", "gpt2"]);
  });

  test("whose download did not get far says so", async () => {
    lay("hub/models--a--b", { "blobs/x.incomplete": "" });
    await fails("./hub/models--a--b", "weights_missing", /models--a--b\/snapshots; .*a\/b.*fetch it again/);
  });
});

test("the first part of a split GGUF stands for all, and another part says so", async () => {
  lay("split", {
    "m-00002-of-00002.gguf": sampleGguf({ metadata: plainMetadata }),
    "m-00001-of-00002.gguf": sampleGguf({ metadata: plainMetadata }),
  });
  await fails(
    "./split/m-00002-of-00002.gguf",
    "weights_unsupported",
    /part 2 of 2; name the first one, m-00001/,
  );
  const found = await resolveSource("./split", options);
  assert.equal(found?.source.path, join(place, "split", "m-00001-of-00002.gguf"));
  assert.equal(found?.name, "split");
  lay("part", { "m-00001-of-00003.gguf": sampleGguf(), "m-00003-of-00003.gguf": sampleGguf() });
  await fails("./part", "weights_missing", /m-00002-of-00003\.gguf; fetch all 3 parts into one directory\./);
});
