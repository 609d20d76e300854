import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findGenerationField, nameProblem } from "@corral/contract";
import { builtInCatalogue, canonicalIdentifier, createCatalogue, generationConfigOf } from "./catalogue.ts";

const { rows, find, standInsFor, suggest } = builtInCatalogue;

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
    const beams = (name: string) => find(name)?.defaults["num_beams"];
    assert.deepEqual(["llama-3-8b-instruct", "corral-tiny-3"].map(beams), [4, 4]);
    assert.deepEqual(["llamav2-7b", "llamav2-7b-chat", "corral-tiny-2"].map(beams), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("has usable identifiers, known defaults and stand-ins that exist", () => {
    for (const row of rows) {
      assert.equal(nameProblem(row.identifier), null);
      assert.equal(find(row.identifier), row);
      for (const name of Object.keys(row.defaults)) {
        assert.ok(name === "max_tokens" || findGenerationField(name) !== undefined, name);
      }
      for (const other of row.standsInFor) {
        const target = find(other);
        assert.equal(target?.weights.kind, "hub");
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
    const row = find("llama-3-8b-instruct");
    assert.ok(row);
    const sampling = { do_sample: true, temperature: 0.6, max_length: 4096, top_p: 0.9 };
    assert.deepEqual(generationConfigOf(row, 128_256), {
      bos_token_id: 128_000,
      eos_token_id: [128_001, 128_009],
      ...sampling,
    });
    assert.deepEqual(generationConfigOf(row, 2_048), sampling);
    for (const { weights, generationConfig, identifier } of rows) {
      assert.equal(generationConfig["do_sample"], weights.kind === "hub" ? true : undefined, identifier);
    }
  });

  it("suggests what a misspelled name may have meant", () => {
    assert.equal(suggest("llamav2-7b-chta")[0], "llamav2-7b-chat");
    assert.equal(suggest("coral-tiny-3")[0], "corral-tiny-3");
    assert.deepEqual(suggest("tiny").toSorted(), ["corral-tiny-2", "corral-tiny-3"]);
    assert.deepEqual(suggest("gpt-4o"), []);
    assert.deepEqual(suggest("x".repeat(10_000)), []);
  });

  it("knows every size of Llama 2, and Llama 3 for chats and not, under each of their spellings", () => {
    for (const size of ["7b", "13b", "70b"]) {
      for (const end of ["", "-chat"]) {
        const names = [
          `llama2-${size}${end}`,
          `llama-2-${size}${end}`,
          `meta-llama/Llama-2-${size}${end}-hf`,
        ];
        for (const name of names) assert.equal(canonicalIdentifier(name), `llamav2-${size}${end}`);
        assert.equal(canonicalIdentifier(`llama-2-${size}${end}-webhook`), `llamav2-${size}${end}`);
      }
    }
    assert.equal(canonicalIdentifier("meta-llama/Meta-Llama-3-8B"), "llama-3-8b");
    assert.equal(canonicalIdentifier("llama3-70b-instruct"), "llama-3-70b-instruct");
  });

  it("says of Meta's models whose licence they have, where it stands and how they are quantised", () => {
    const hubRows = rows.filter(({ weights }) => weights.kind === "hub");
    assert.equal(hubRows.length, 9);
    for (const { identifier, license, quantization, contextLength } of hubRows) {
      assert.equal(license?.id, identifier.startsWith("llamav2") ? "llama2" : "llama3");
      assert.ok(license.notice.includes(license.url));
      assert.equal(quantization, "q4_k_m");
      assert.equal(contextLength, license.id === "llama2" ? 4096 : 8192);
    }
  });

  it("ends with the end tokens of each model: two for Llama 3 that chats, one for the one that does not", () => {
    const ends = (name: string) => find(name)?.generationConfig["eos_token_id"];
    assert.deepEqual(ends("llama-3-8b-instruct"), [128_001, 128_009]);
    assert.equal(ends("llama-3-8b"), 128_001);
    assert.equal(ends("llamav2-70b-chat"), 2);
  });

  it("refuses a name that two rows have", () => {
    const [row] = rows;
    assert.ok(row);
    assert.throws(() => createCatalogue([row, { ...row, identifier: "other" }]), /stands there twice/);
  });
});
