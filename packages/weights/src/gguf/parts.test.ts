// Models in several GGUF files.

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeSplitModel } from "../testing/split-model.ts";
import { checkGguf, checkGgufParts } from "./check.ts";
import { plainMetadata, plainTensors, sampleGguf } from "./sample-gguf.ts";

const place = mkdtempSync(join(tmpdir(), "corral-parts-"));
after(() => rmSync(place, { recursive: true, force: true }));

const whole = join(place, "whole.gguf");
writeFileSync(whole, sampleGguf());

async function split(stem: string): Promise<readonly [first: string, second: string]> {
  const [first = "", second = ""] = await writeSplitModel(whole, place, stem, 2);
  return [first, second];
}

test("the parts of a model are read as one", async () => {
  const [first] = await split("model");
  const [parts, one] = [await checkGgufParts(first), await checkGguf(whole)];
  assert.equal(parts.partCount, 2);
  assert.deepEqual(
    parts.tensors.map(({ name, shape, type, bytes }) => ({ name, shape, type, bytes })),
    one.tensors.map(({ name, shape, type, bytes }) => ({ name, shape, type, bytes })),
  );
  assert.equal(parts.parameterCount, one.parameterCount);
  assert.equal(parts.vocabularySize, one.vocabularySize);
  assert.ok(parts.fileBytes > one.fileBytes);
  assert.equal((await checkGgufParts(whole)).partCount, 1);
});

test("a part alone is no model, and the first one is asked for", async () => {
  const [first, second] = await split("alone");
  await assert.rejects(checkGguf(first), /one of 2 parts; .*corral deploy/);
  await assert.rejects(checkGgufParts(second), /part of 2; give the first one, .*-00001-of-00002\.gguf/);
});

test("parts that are missing, of another model, or put in another order are named", async () => {
  const [first, second] = await split("missing");
  rmSync(second);
  await assert.rejects(checkGgufParts(first), {
    code: "weights_missing",
    message: `There is no file ${second}; fetch all 2 parts into one directory.`,
  });
  copyFileSync(first, second);
  await assert.rejects(checkGgufParts(first), /missing-00002-of-00002.*by its header it is part 1 of 2/);
  const other = sampleGguf({
    metadata: { "split.no": 1, "split.count": 2 },
    tensors: [...plainTensors, { name: "extra.weight", shape: [8], type: 0, bytes: 32 }],
  });
  writeFileSync(second, other);
  await assert.rejects(checkGgufParts(first), /its parts have 4 tensors of 2/);
});

test("how many parts there are is what the name says, whatever the header does", async () => {
  const metadata = { ...plainMetadata, "split.no": 0, "split.count": 4_294_967_295 };
  const path = join(place, "many-00001-of-00002.gguf");
  writeFileSync(path, sampleGguf({ metadata }));
  await assert.rejects(
    checkGgufParts(path),
    /by its name it is one of 2 parts, by its header one of 4294967295/,
  );
});

test("a tensor that is in two parts is refused", async () => {
  const metadata = { ...plainMetadata, "split.no": 0, "split.count": 2 };
  const first = join(place, "twice-00001-of-00002.gguf");
  writeFileSync(first, sampleGguf({ metadata }));
  writeFileSync(
    join(place, "twice-00002-of-00002.gguf"),
    sampleGguf({ metadata: { "split.no": 1, "split.count": 2 } }),
  );
  await assert.rejects(checkGgufParts(first), /a tensor is in two of its parts/);
});
