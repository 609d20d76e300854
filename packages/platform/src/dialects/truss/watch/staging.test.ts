import assert from "node:assert/strict";
import { test } from "node:test";
import { readStaged, type TrussPatch } from "./patch.ts";
import { addPatch, behind } from "./staging.ts";

const signature = { content_hashes_by_path: {}, config: "", requirements_file_requirements: [] };
const patch = (from: string, to: string, content = "") =>
  readStaged({
    prev_hash: from,
    prev_signature: signature,
    next_hash: to,
    next_signature: signature,
    patch_ops: content === "" ? [] : [{ type: "model_code", body: { action: "ADD", path: "x", content } }],
  });
/** Hashes of what waits after each patch was added to those before, or what became of it instead. */
function add(patches: readonly TrussPatch[], runs = "a"): string[] {
  let staged: TrussPatch[] = [];
  return patches.map((one) => {
    const added = addPatch(runs, staged, one);
    if (added.kind !== "staged") return added.kind;
    staged = (JSON.parse(added.text) as unknown[]).map(readStaged);
    return staged.map(({ next_hash }) => next_hash).join(" ");
  });
}

test("a patch follows the newest that waits, or what runs, and takes no other's place", () => {
  assert.deepEqual(add([patch("a", "b"), patch("b", "c"), patch("x", "d"), patch("b", "d")]), [
    "b",
    "b c",
    "another_state",
    "another_state",
  ]);
  assert.deepEqual(add([patch("a", "b"), patch("a", "c"), patch("b", "c")]), ["b", "another_state", "b c"]);
  assert.deepEqual(add([patch("a", "b"), patch("b", "c"), patch("b", "c")]).at(-1), "b c", "sent again");
});

test("at most 100 patches wait, and 32 MiB of them", () => {
  const many = Array.from({ length: 101 }, (_, at) => patch(at === 0 ? "a" : String(at), String(at + 1)));
  const added = add(many);
  assert.equal(added[99]?.split(" ").length, 100);
  assert.equal(added[100], "too_many");
  const big = "x".repeat(16 * 1024 * 1024 - 1_000);
  assert.deepEqual(add([patch("a", "b", big), patch("b", "c", big), patch("c", "d", big)]), [
    "b",
    "b c",
    "too_many",
  ]);
});

test("what was staged while others were carried out waits for the next sync", () => {
  const [one, two, three] = [patch("a", "b"), patch("b", "c"), patch("c", "d")] as const;
  assert.deepEqual(behind([one, two, three], two), [three]);
  assert.deepEqual(behind([one, two], two), []);
  assert.equal(behind([three], two), null, "another sync carried it out, and three was staged upon it");
});
