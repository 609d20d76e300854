import assert from "node:assert/strict";
import { it, test } from "node:test";
import fc from "fast-check";
import { isServingError } from "@corral/contract";
import type { ManifestFile } from "./manifest.ts";
import { applyOperations, diffFiles } from "./patch.ts";

const name = fc.constantFrom("a", "b", "c.py", "d.ts", "model.py", "é");
/** Directories and files never have the same name, as in a file system. */
const path = fc
  .tuple(fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 3 }), name)
  .map(([directories, file]) => [...directories, file].join("/"));
const sha256 = fc.constantFrom("0", "1", "2").map((digit) => digit.repeat(64));
const tree = fc.uniqueArray(fc.record({ path, size: fc.constant(1), sha256 }, { noNullPrototype: true }), {
  selector: (file) => file.path,
  maxLength: 12,
});

const byPath = (files: readonly ManifestFile[]) => files.toSorted((a, b) => (a.path < b.path ? -1 : 1));

it("the difference of two trees, applied to the first, gives the second", () => {
  fc.assert(
    fc.property(tree, tree, (from, to) => {
      assert.deepEqual(applyOperations(from, diffFiles(from, to)), byPath(to));
    }),
  );
});

it("a tree differs from itself by nothing, and no operation is one too many", () => {
  fc.assert(
    fc.property(tree, tree, (from, to) => {
      assert.deepEqual(diffFiles(from, from), { changed: [], removed: [] });
      const { changed, removed } = diffFiles(from, to);
      const before = new Map(from.map((file) => [file.path, file.sha256]));
      assert.ok(changed.every((file) => before.get(file.path) !== file.sha256));
      assert.ok(removed.every((gone) => before.has(gone) && !to.some((file) => file.path === gone)));
    }),
  );
});

it("whatever a patch names, its files are as an archive may have them, or it is refused", () => {
  const odd = fc.oneof(path, fc.constantFrom("../a", "/a", "x", "x/./a", "./a", "X/a", "a/", "x//b", "A"));
  const changed = fc.array(
    fc.record({ path: odd, size: fc.constant(1), sha256 }, { noNullPrototype: true }),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(tree, changed, fc.array(odd, { maxLength: 2 }), (from, files, removed) => {
      try {
        const next = applyOperations(from, { changed: files, removed }).map((file) => file.path);
        assert.equal(new Set(next.map((one) => one.toLowerCase())).size, next.length);
        for (const one of next) {
          assert.ok(!/^\/|(^|\/)\.{0,2}(\/|$)/.test(one), one);
          assert.ok(!next.some((other) => other.startsWith(`${one}/`)), one);
        }
      } catch (error) {
        assert.ok(isServingError(error) && error.code === "invalid_bundle", String(error));
      }
    }),
  );
});

test("what cannot be removed, or is changed as well, is named", () => {
  const files = [{ path: "a", size: 1, sha256: "0" }];
  assert.throws(() => applyOperations(files, { changed: [], removed: ["b"] }), /removed names "b"/);
  assert.throws(() => applyOperations(files, { changed: files, removed: ["a"] }), /both changed and removed/);
});
