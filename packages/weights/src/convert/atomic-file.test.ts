import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isServingError } from "@corral/contract";
import { writeWhole } from "./atomic-file.ts";

const folder = mkdtempSync(join(tmpdir(), "corral-atomic-"));
after(() => rmSync(folder, { recursive: true }));

test("what is appended is the file, once it is finished", async () => {
  const target = join(folder, "whole");
  const bytes = await writeWhole(target, async (append) => {
    await append(Buffer.from("one "));
    assert.ok(!readdirSync(folder).includes("whole"));
    await append(Buffer.from("two"));
  });
  assert.equal(bytes, 7);
  assert.equal(readFileSync(target, "utf8"), "one two");
  assert.deepEqual(readdirSync(folder), ["whole"]);
  rmSync(target);
});

test("a failure is passed on and leaves nothing", async () => {
  const failure = new Error("no more");
  const writing = writeWhole(join(folder, "half"), async (append) => {
    await append(Buffer.from("half"));
    throw failure;
  });
  await assert.rejects(writing, (error) => error === failure);
  assert.deepEqual(readdirSync(folder), []);
});

test("a full disk is said to be full, and keeps nothing of the file", async (context) => {
  const disk = mkdtempSync(join(tmpdir(), "corral-small-disk-"));
  try {
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", disk]);
    if (mounted.status !== 0) return context.skip("only a user who may mount has a small disk to fill");
    try {
      const writing = writeWhole(join(disk, "large"), (append) => append(new Uint8Array(1 << 20)));
      await assert.rejects(
        writing,
        (error: Error) =>
          isServingError(error) && error.code === "storage_full" && error.message.includes(disk),
      );
      assert.deepEqual(readdirSync(disk), []);
    } finally {
      execFileSync("umount", [disk]);
    }
  } finally {
    rmSync(disk, { recursive: true });
  }
});
