import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkGguf, resolveBuiltInWeights } from "@corral/weights";
import { writeSampleAdapter } from "@corral/weights/testing";
import { readBundle } from "@corral/bundle";
import { testPlaces } from "../testing/places.ts";
import { contentOfBundle, contentOfSource } from "./version-content.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "corral-content-")));
after(() => rmSync(root, { recursive: true, force: true }));
const file = join(root, "weights.gguf");
const places = testPlaces(root);
const tiny2 = () => resolveBuiltInWeights({ identifier: "corral-tiny-2" }, { directory: "corral-tiny-2" });

test("weights under a catalogue name have that model's generation config, unless one lies beside them", async () => {
  copyFileSync((await tiny2()).path, file);
  const configOf = async (name: string) =>
    (await contentOfSource(file, name, places)).manifest.generationConfig;
  assert.deepEqual(await configOf("llamav2-7b-chat"), {
    bos_token_id: 1,
    eos_token_id: 2,
    pad_token_id: 0,
    do_sample: true,
    temperature: 0.6,
    max_length: 4096,
    top_p: 0.9,
  });
  const llama3 = await configOf("llama-3-8b-instruct");
  assert.equal(llama3["do_sample"], true, "the documented call samples");
  assert.equal(llama3["eos_token_id"], undefined, "these weights have no token 128001");
  assert.deepEqual(await configOf("my-own"), {});

  writeFileSync(join(root, "generation_config.json"), '{"eos_token_id": 7}');
  assert.deepEqual(await configOf("llamav2-7b-chat"), { eos_token_id: 7 });
});

test("a file beside the weights whose values every call would be refused for is refused at once", async () => {
  const beside =
    '{"temperature": "hot", "num_return_sequences": 2, "eos_token_id": 90000, "chat_format": "x"}';
  writeFileSync(join(root, "generation_config.json"), beside);
  await assert.rejects(contentOfSource(file, "my-own", places), (error: Error & { code: string }) => {
    assert.equal(error.code, "invalid_bundle");
    assert.match(error.message, /`temperature` must be a number; given: "hot"/);
    assert.match(error.message, /`num_return_sequences` must be 1 in greedy decoding/);
    assert.match(error.message, /`eos_token_id` must be within the vocabulary.*90000/);
    return true;
  });
});

test("weights without a chat template get the one of their catalogue row, and no other weights do", async () => {
  const bytes = readFileSync((await tiny2()).path);
  bytes.write("tokenizer.chat_templatX", bytes.indexOf("tokenizer.chat_template"));
  const bare = join(root, "bare.gguf");
  writeFileSync(bare, bytes);
  writeFileSync(join(root, "generation_config.json"), "{}");
  const templateOf = async (path: string, name: string) =>
    (await contentOfSource(path, name, places)).manifest.config.chatTemplate;
  assert.match((await templateOf(bare, "llamav2-7b-chat")) ?? "", /\[INST\]/);
  assert.equal(await templateOf(bare, "llamav2-7b"), undefined, "it is not for chats");
  assert.equal(await templateOf(bare, "my-own"), undefined);
  assert.equal(await templateOf(file, "llamav2-7b-chat"), undefined, "these have their own");
});

test("draft models are part of a version's content, and refused where their tokens are others", async () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "corral-drafts-")));
  try {
    copyFileSync((await tiny2()).path, join(directory, "small.gguf"));
    const contentWith = async (drafts: string) => {
      const corral = `weights: corral-tiny-2\n    assistant_models: ${drafts}`;
      const config = `model_name: drafted\nmodel_metadata:\n  corral:\n    ${corral}\n`;
      writeFileSync(join(directory, "config.yaml"), config);
      return await contentOfBundle(await readBundle(directory), directory, places);
    };
    const none = await contentWith("{}");
    assert.deepEqual(none.draftModels, []);
    assert.ok(!("draftWeightsSha256" in none.manifest));

    const { draftModels, manifest, weightsSha256, digest } = await contentWith("{ small: ./small.gguf }");
    assert.deepEqual(draftModels, [
      { name: "small", path: join(directory, "small.gguf"), sha256: weightsSha256 },
    ]);
    assert.deepEqual(manifest.draftWeightsSha256, { small: weightsSha256 });
    assert.notEqual(digest, none.digest);

    await assert.rejects(contentWith("{ other: corral-tiny-3 }"), {
      code: "invalid_bundle",
      message: /draft model "other" must have the tokens of the model, and its token 0 is "!"/,
    });
    await assert.rejects(contentWith("{ gone: ./gone.gguf }"), { code: "invalid_bundle" });

    const byDefault = (name: string) => `{ small: ./small.gguf }\n    defaults: { assistant_model: ${name} }`;
    assert.equal((await contentWith(byDefault("small"))).draftModels.length, 1);
    await assert.rejects(contentWith(byDefault("large")), {
      code: "invalid_bundle",
      message: /`assistant_model` must name one of .* there are "small"; given: "large"/,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("adapters are part of a version's content, and refused where they do not fit its model", async () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "corral-adapters-")));
  try {
    const weights = (await tiny2()).path;
    const model = await checkGguf(weights);
    for (const seed of [1, 2])
      await writeSampleAdapter(join(directory, `${seed}.gguf`), model, { seed, rank: 1 });
    await writeSampleAdapter(join(root, "outside.gguf"), model, { seed: 1, rank: 1 });
    copyFileSync(weights, join(directory, "model.gguf"));
    const contentWith = async (adapters: string) => {
      const corral = `weights: corral-tiny-2\n    adapters: ${adapters}`;
      const config = `model_name: tuned\nmodel_metadata:\n  corral:\n    ${corral}\n`;
      writeFileSync(join(directory, "config.yaml"), config);
      return await contentOfBundle(await readBundle(directory), directory, places);
    };
    const none = await contentWith("{}");
    assert.deepEqual(none.adapters, []);
    assert.ok(!("adapterSha256" in none.manifest));
    const one = await contentWith("{ one: ./1.gguf }");
    assert.equal(one.adapters[0]!.path, join(directory, "1.gguf"));
    assert.deepEqual(one.manifest.adapterSha256, { one: one.adapters[0]!.sha256 });
    const outside = await contentWith(`{ one: ${join(root, "outside.gguf")} }`);
    assert.equal(outside.adapters[0]!.sha256, one.adapters[0]!.sha256);
    const digests = [none, one, await contentWith("{ one: ./2.gguf }")].map(({ digest }) => digest);
    assert.equal(new Set(digests).size, 3);

    await assert.rejects(contentWith("{ one: ./model.gguf }"), { code: "weights_unreadable" });
    await assert.rejects(contentWith("{ one: /etc/passwd }"), { code: "invalid_parameter" });
    await assert.rejects(contentWith("{ gone: ./gone.gguf }"), { code: "invalid_bundle" });
    await assert.rejects(contentWith("{ one: ./1.gguf }\n    defaults: { adapter: two }"), {
      code: "invalid_bundle",
      message: /`adapter` must name one of the model's `adapters`, and there are "one"; given: "two"/,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
