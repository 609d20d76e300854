import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { openPartialFile, partialBytes, segmentBytesFor } from "./partial-file.ts";
import { noise } from "./testing/hub-case.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "corral-hub-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("filled in any order, over any number of openings, the file is whole and its gaps were right", async (t) => {
  const directory = folder(t);
  const content = noise(1000, 3);
  let round = 0;
  const step = fc.record({
    segment: fc.nat(9),
    bytes: fc.integer({ min: 1, max: 100 }),
    reopen: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const path = join(directory, `${(round += 1)}.incomplete`);
      let file = await openPartialFile(path, content.length, 100);
      let total = 0;
      for (const { segment, bytes, reopen } of steps) {
        const gap = file.gap(segment);
        if (gap !== null) {
          const end = Math.min(gap.end, gap.start + bytes);
          await file.append(segment, content.subarray(gap.start, end));
          total += end - gap.start;
        }
        if (reopen) {
          await file.close();
          file = await openPartialFile(path, content.length, 100);
          assert.equal(file.resumedBytes, total);
        }
        assert.equal(file.doneBytes(), total);
        const buffer = Buffer.alloc(file.contiguousEnd());
        assert.equal(buffer.length === 0 ? 0 : await file.read(buffer, 0), buffer.length);
        assert.ok(buffer.equals(content.subarray(0, buffer.length)));
      }
      for (let segment = 0; segment < file.segmentCount; segment += 1) {
        const gap = file.gap(segment);
        if (gap !== null) await file.append(segment, content.subarray(gap.start, gap.end));
      }
      assert.equal(file.contiguousEnd(), content.length);
      await file.finish(join(directory, "whole"));
      assert.ok(readFileSync(join(directory, "whole")).equals(content));
      assert.ok(!existsSync(path) && !existsSync(`${path}.map`));
    }),
    { numRuns: 30 },
  );
});

test("what cannot be the beginning of the same file is begun anew", async (t) => {
  const path = join(folder(t), "x.incomplete");
  const fill = async () => {
    const file = await openPartialFile(path, 1000, 100);
    await file.reset();
    await file.append(0, noise(100, 1));
    await file.append(5, noise(50, 2));
    await file.close();
  };
  const resumed = async (sizeBytes: number, segmentBytes: number) => {
    const file = await openPartialFile(path, sizeBytes, segmentBytes);
    await file.close();
    return file.resumedBytes;
  };
  await fill();
  assert.equal(await partialBytes(path), 150);
  assert.equal(await resumed(1000, 100), 150);
  assert.equal(await resumed(1001, 100), 0);
  await fill();
  assert.equal(await resumed(999, 100), 0);
  await fill();
  assert.equal(await resumed(1000, 50), 0);
  await fill();
  truncateSync(path, 540);
  assert.equal(await resumed(1000, 100), 0);
  await fill();
  rmSync(path);
  assert.equal(await resumed(1000, 100), 0);
  await fill();
  rmSync(`${path}.map`);
  assert.equal(await resumed(1000, 100), 0);
  await fill();
  writeFileSync(`${path}.map`, noise(104, 9));
  assert.equal(await resumed(1000, 100), 0);
  assert.equal(await partialBytes(join(path, "none")), 0);
});

test("a file that cannot be finished is closed all the same, and its bytes stay", async (t) => {
  const directory = folder(t);
  const path = join(directory, "x.incomplete");
  const file = await openPartialFile(path, 100, 100);
  await file.append(0, noise(100, 1));
  await assert.rejects(file.finish(join(directory, "nowhere/x")), { code: "ENOENT" });
  await file.close();
  assert.ok(readFileSync(path).equals(noise(100, 1)));
});

test("more than a segment holds is refused", async (t) => {
  const file = await openPartialFile(join(folder(t), "x.incomplete"), 250, 100);
  await assert.rejects(file.append(2, noise(51, 1)), RangeError);
  await file.close();
});

test("files are cut into at most 32 segments until these reach 128 MiB", () => {
  const mebibyte = 1 << 20;
  assert.equal(segmentBytesFor(1), 16 * mebibyte);
  assert.equal(segmentBytesFor(1024 * mebibyte), 32 * mebibyte);
  assert.equal(segmentBytesFor(100_000 * mebibyte), 128 * mebibyte);
});
