import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { bundleConfig } from "./bundle-config.ts";
import { manifestDigest } from "./files.ts";
import { canonicalJson, createManifest, type ManifestFile } from "./manifest.ts";

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const file = fc.record({ path: fc.string({ minLength: 1 }), size: fc.nat(), sha256: hex });
const files = fc.uniqueArray(file, { selector: ({ path }) => path, minLength: 1, maxLength: 8 });

function digestOf(list: readonly ManifestFile[], weightsSha256: string | null = null, defaults = {}) {
  const config = bundleConfig({ weights: "m.gguf", defaults });
  return manifestDigest(createManifest({ files: list, config, generationConfig: {}, weightsSha256 }));
}

it("the order of files and of keys does not change a version's digest", () => {
  fc.assert(
    fc.property(files, fc.dictionary(fc.string(), fc.jsonValue()), (list, defaults) => {
      const reversed = Object.fromEntries(Object.entries(defaults).reverse());
      assert.equal(digestOf(list, null, defaults), digestOf(list.toReversed(), null, reversed));
    }),
  );
});

it("any change of a file's name, size or content changes the digest", () => {
  fc.assert(
    fc.property(files, fc.nat(), file, (list, at, other) => {
      const index = at % list.length;
      const before = list[index];
      assert.ok(before !== undefined);
      for (const key of ["path", "size", "sha256"] as const) {
        if (before[key] === other[key]) continue;
        const changed = list.with(index, { ...before, [key]: other[key] });
        if (new Set(changed.map(({ path }) => path)).size < changed.length) continue;
        assert.notEqual(digestOf(changed), digestOf(list));
      }
      assert.notEqual(digestOf(list.toSpliced(index, 1)), digestOf(list));
    }),
  );
});

it("a change of the weights or of a setting changes the digest", () => {
  fc.assert(
    fc.property(files, hex, hex, fc.jsonValue(), fc.jsonValue(), (list, a, b, x, y) => {
      fc.pre(a !== b && canonicalJson(x) !== canonicalJson(y));
      assert.notEqual(digestOf(list, a), digestOf(list, b));
      assert.notEqual(digestOf(list, a), digestOf(list));
      assert.notEqual(digestOf(list, a, { top_p: x }), digestOf(list, a, { top_p: y }));
    }),
  );
});

it("canonical JSON reads back as the value it was made of", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

it("the digest of a given manifest stays what it was", () => {
  const known = [{ path: "config.yaml", size: 3, sha256: "ab".repeat(32) }];
  assert.equal(digestOf(known), "a05873511df2ca25ce1fecc1326d716f58c008b7e087eabe37ceffd98660d847");
});

it("a path that stands there twice is refused", () => {
  const one = { path: "a", size: 1, sha256: "00" };
  assert.throws(() => digestOf([one, one]), /stands there twice/);
});
