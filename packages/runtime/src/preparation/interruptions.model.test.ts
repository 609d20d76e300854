// Preparations that are stopped, killed, out of room or given bytes that lie: what was asked for is there whole, or
// nothing is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PreparationConfig } from "@corral/contract";
import { writeDoubledModel } from "@corral/llama/testing";
import { checkGguf } from "@corral/weights";
import { startPreparation } from "../testing/preparation-process.ts";
import { tinyModel } from "../testing/tiny-models.ts";

const place = mkdtempSync(join(tmpdir(), "corral-preparation-"));
after(() => rmSync(place, { recursive: true, force: true }));
const tiny = tinyModel("corral-tiny-2").path;
const source = join(place, "source/doubled.gguf");
before(async () => {
  mkdirSync(dirname(source));
  const name = "generation_config.json";
  copyFileSync(join(dirname(tiny), name), join(dirname(source), name));
  await writeDoubledModel(source);
});

let made = 0;
/** A directory of its own for each. */
function slow(target = join(place, `${(made += 1)}`, "slow.gguf")): PreparationConfig {
  return {
    source: { kind: "gguf", path: source },
    recipe: { quantization: "iq3_s" },
    target,
    thread_count: 1,
  };
}

function quick(target: string, path = tiny): PreparationConfig {
  return { source: { kind: "gguf", path }, recipe: { quantization: "q8_0" }, target, thread_count: 1 };
}

const filesBeside = (target: string) => readdirSync(dirname(target)).toSorted();

/** Until the quantiser writes. */
async function untilWriting(target: string): Promise<void> {
  for (;;) {
    const names = existsSync(dirname(target)) ? filesBeside(target) : [];
    if (names.some((name) => name.endsWith("quantized.gguf"))) return;
    await sleep(5);
  }
}

test("a preparation that is stopped leaves nothing, even from within the quantiser", async () => {
  const asked = slow();
  const preparation = startPreparation(place, asked);
  await untilWriting(asked.target);
  preparation.child.kill("SIGTERM");
  const { code, signal, last } = await preparation.ended;
  assert.ok(signal === "SIGKILL" || code === 143, `${code} ${signal}`);
  assert.equal(last?.kind, "progress");
  assert.deepEqual(filesBeside(asked.target), []);
});

test("what a killed one left is no result, and the next one removes it, but not what another one works on", async () => {
  const asked = slow();
  const killed = startPreparation(place, asked);
  await untilWriting(asked.target);
  killed.child.kill("SIGKILL");
  await killed.ended;
  const left = filesBeside(asked.target);
  assert.equal(left.length, 1);
  assert.match(left[0] ?? "", /^\.corral-preparing-/);

  const working = startPreparation(place, asked);
  await working.until("progress");
  await untilWriting(asked.target);
  const other = join(dirname(asked.target), "other.gguf");
  const ends = await Promise.all([
    working.ended,
    startPreparation(join(place, "source"), quick(other)).ended,
  ]);
  for (const { last } of ends) assert.equal(last?.kind, "ready", JSON.stringify(last));
  await checkGguf(asked.target);
  assert.deepEqual(
    filesBeside(asked.target),
    ["generation_config.json", "other.gguf", basename(asked.target)].toSorted(),
  );
});

test("a preparation whose reader is gone ends", async () => {
  const asked = slow();
  const preparation = startPreparation(place, asked);
  await untilWriting(asked.target);
  preparation.child.stdout?.destroy();
  const { code, signal } = await preparation.ended;
  assert.ok(code !== 0, `${code} ${signal}`);
  assert.equal(existsSync(asked.target), false);
});

test("bytes that lie are refused in one sentence that names the file", async () => {
  const good = readFileSync(tiny);
  const { tensors, dataOffset } = await checkGguf(tiny);
  const patched = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(good);
    change(bytes);
    return bytes;
  };
  const matrix = tensors.find(({ name }) => name === "blk.0.ffn_up.weight");
  const lies: Readonly<Record<string, Buffer>> = {
    "tensor count": patched((bytes) => bytes.writeBigUInt64LE(2n ** 40n, 8)),
    "metadata count": patched((bytes) => bytes.writeBigUInt64LE(2n ** 63n, 16)),
    "length of a key": patched((bytes) => bytes.writeBigUInt64LE(2n ** 50n, 24)),
    "no header": patched((bytes) => bytes.fill(0, 0, 8)),
    "cut off": good.subarray(0, dataOffset + 100_000),
    architecture: patched((bytes) => bytes.write("lloma", bytes.indexOf("llama"))),
    "not a number": patched((bytes) => bytes.writeUInt16LE(0x7e00, (matrix?.offset ?? 0) + 64)),
  };
  for (const [what, bytes] of Object.entries(lies)) {
    const path = join(place, "source", `${what.replaceAll(" ", "-")}.gguf`);
    writeFileSync(path, bytes);
    const target = join(place, "lies", "out.gguf");
    const { code, last } = await startPreparation(place, quick(target, path)).ended;
    assert.equal(code, 1, what);
    assert.ok(
      last?.kind === "failed" && last.code === "weights_unreadable",
      `${what}: ${JSON.stringify(last)}`,
    );
    assert.ok(last.detail.includes(path), last.detail);
    assert.ok(!last.detail.includes("\n"));
    if (existsSync(dirname(target))) assert.deepEqual(filesBeside(target), []);
  }
});

const mount = (...args: string[]) => execFileSync("mount", args, { stdio: "ignore" });
function canMount(): string | false {
  const directory = join(place, "mount");
  mkdirSync(directory);
  try {
    mount("-t", "tmpfs", "-o", "size=600k", "tmpfs", directory);
    return false;
  } catch {
    return "file systems cannot be mounted here";
  }
}

const cannotMount = canMount();
describe("on a file system of 600 kB", { skip: cannotMount }, () => {
  const directory = join(place, "mount");
  after(() => execFileSync("umount", [directory]));

  test("a file that does not fit is refused before it is written", async () => {
    const target = join(directory, "small.gguf");
    const { last } = await startPreparation(place, quick(target)).ended;
    assert.ok(last?.kind === "failed" && last.code === "storage_full", JSON.stringify(last));
    assert.match(last.detail, /has \d+ bytes free, and \d+ are needed/);
    assert.deepEqual(readdirSync(directory), []);
  });

  test("where nothing may be written, that is said", async () => {
    mount("-o", "remount,ro", directory);
    const { last } = await startPreparation(place, quick(join(directory, "deeper/small.gguf"))).ended;
    assert.ok(last?.kind === "failed" && last.code === "storage_full", JSON.stringify(last));
    assert.match(last.detail, /Nothing can be written at .*EROFS/);
  });
});
