import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findGenerationField, isServingError, nameProblem } from "@corral/contract";
import { resolveCatalogueWeights } from "./built-in.ts";
import {
  canonicalIdentifier,
  catalogue,
  findCatalogueRow,
  generationConfigOf,
  standInsFor,
  suggestIdentifiers,
} from "./catalogue.ts";
import { sha256OfFile } from "./digest.ts";

describe("the catalogue", () => {
  it("knows old and new spellings and the documented routes", () => {
    assert.equal(canonicalIdentifier("llama2-7b"), "llamav2-7b");
    assert.equal(canonicalIdentifier("llama2-7b-chat"), "llamav2-7b-chat");
    assert.equal(canonicalIdentifier("prebuilt-llama2-7b"), "llamav2-7b");
    assert.equal(canonicalIdentifier("llamav2-7b-webhook"), "llamav2-7b");
    assert.equal(canonicalIdentifier("llamav2-7b-chat-webhook"), "llamav2-7b-chat");
    assert.equal(canonicalIdentifier("Meta-Llama-3-8B-Instruct"), "llama-3-8b-instruct");
    assert.equal(canonicalIdentifier("nothing-like-it"), null);
    assert.equal(canonicalIdentifier("constructor"), null);
  });

  it("has the documented pages' defaults: four beams for Llama 3, none for Llama 2", () => {
    const beams = (name: string) => findCatalogueRow(name)?.defaults["num_beams"];
    assert.deepEqual(["llama-3-8b-instruct", "corral-tiny-3"].map(beams), [4, 4]);
    assert.deepEqual(["llamav2-7b", "llamav2-7b-chat", "corral-tiny-2"].map(beams), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("has usable identifiers, known defaults and stand-ins that exist", () => {
    for (const row of catalogue) {
      assert.equal(nameProblem(row.identifier), null);
      assert.equal(findCatalogueRow(row.identifier), row);
      for (const name of Object.keys(row.defaults)) {
        assert.ok(name === "max_tokens" || findGenerationField(name) !== undefined, name);
      }
      for (const other of row.standsInFor) {
        const target = findCatalogueRow(other);
        assert.equal(target?.weights.kind, "own");
        assert.deepEqual(row.defaults, target.defaults, "a stand-in answers with the defaults of its page");
        assert.equal(row.precision, "reference");
      }
    }
    assert.deepEqual(
      standInsFor("llama-3-8b-instruct").map((row) => row.identifier),
      ["corral-tiny-3"],
    );
    assert.deepEqual(
      standInsFor("llamav2-7b").map((row) => row.identifier),
      ["corral-tiny-2"],
    );
  });

  it("has what Meta's repositories say of generation, but for ids that the weights' vocabulary has not", () => {
    const row = findCatalogueRow("llama-3-8b-instruct");
    assert.ok(row);
    const sampling = { do_sample: true, temperature: 0.6, max_length: 4096, top_p: 0.9 };
    assert.deepEqual(generationConfigOf(row, 128_256), {
      bos_token_id: 128_000,
      eos_token_id: [128_001, 128_009],
      ...sampling,
    });
    assert.deepEqual(generationConfigOf(row, 2_048), sampling);
    for (const { weights, generationConfig, identifier } of catalogue) {
      assert.equal(generationConfig["do_sample"], weights.kind === "own" ? true : undefined, identifier);
    }
  });

  it("suggests what a misspelled name may have meant", () => {
    assert.equal(suggestIdentifiers("llamav2-7b-chta")[0], "llamav2-7b-chat");
    assert.equal(suggestIdentifiers("coral-tiny-3")[0], "corral-tiny-3");
    assert.deepEqual(suggestIdentifiers("tiny").toSorted(), ["corral-tiny-2", "corral-tiny-3"]);
    assert.deepEqual(suggestIdentifiers("gpt-4o"), []);
    assert.deepEqual(suggestIdentifiers("x".repeat(10_000)), []);
  });
});

describe("resolveCatalogueWeights", () => {
  let models = "";
  before(async () => {
    models = await mkdtemp(join(tmpdir(), "corral-models-"));
    await mkdir(join(models, "corral-tiny-3"));
    await writeFile(join(models, "corral-tiny-3", "corral-tiny-3-f16.gguf"), "abc");
  });
  after(async () => {
    await rm(models, { recursive: true });
  });

  it("finds built-in weights and the generation config beside them", async () => {
    const file = join(models, "corral-tiny-3", "corral-tiny-3-f16.gguf");
    const found = await resolveCatalogueWeights("tiny-3", models);
    assert.deepEqual([found.path, found.row.identifier, found.generationConfig], [file, "corral-tiny-3", {}]);
    const beside = join(models, "corral-tiny-3", "generation_config.json");
    await writeFile(beside, '{"eos_token_id": 2}');
    assert.deepEqual((await resolveCatalogueWeights("tiny-3", models)).generationConfig, { eos_token_id: 2 });
    await writeFile(beside, "[]");
    await assert.rejects(resolveCatalogueWeights("tiny-3", models), /must be a JSON object/);
    assert.equal(
      await sha256OfFile(file),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("says in one sentence what is missing and what can be done", async () => {
    const expected: readonly [string, string, RegExp][] = [
      [
        "llama2-7b-chat",
        "weights_missing",
        /^The weights of llamav2-7b-chat \(.*\) are not on this machine: deploy a GGUF file .* `corral deploy FILE --name llamav2-7b-chat`, or the tiny stand-in with `corral deploy corral-tiny-2`\.$/,
      ],
      ["llama-3-8b-instruct", "weights_missing", /corral deploy corral-tiny-3/],
      ["corral-tiny-2", "weights_missing", /restore them from the repository/],
      ["corral-tiny-4", "model_not_found", /did you mean corral-tiny-/],
    ];
    for (const [name, code, message] of expected) {
      await assert.rejects(resolveCatalogueWeights(name, models), (error: unknown) => {
        assert.ok(isServingError(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});
