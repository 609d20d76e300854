import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isServingError } from "@corral/contract";
import fc from "fast-check";
import { parseSealingKeys, sealingKeyFile } from "./keys.ts";
import { createSealing, keyIdOf } from "./sealing.ts";

const place = { table: "secrets", row: "abc" };
const unreadable = (error: unknown) => isServingError(error) && error.code === "secret_unreadable";

test("any text comes back from where it was sealed, and its bytes do not show it", () => {
  const sealing = createSealing({ keys: [randomBytes(32)] });
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 0, maxLength: 300 }), (text) => {
      const sealed = sealing.seal(text, place);
      assert.equal(sealing.open(sealed, place), text);
      assert.ok(text.length < 4 || !sealed.includes(text));
      assert.notDeepEqual(sealing.seal(text, place), sealed);
    }),
  );
});

test("a value that was changed anywhere, cut, or moved to another row or table does not open", () => {
  const sealing = createSealing({ keys: [randomBytes(32)] });
  const sealed = sealing.seal("hunter2", place);
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => sealing.open(changed, place), unreadable, `byte ${at}`);
    assert.throws(() => sealing.open(sealed.subarray(0, at), place), unreadable, `${at} bytes`);
  }
  for (const other of [
    { ...place, row: "abd" },
    { ...place, table: "webhooks" },
    { ...place, column: "old" },
    { table: 'secrets","a', row: "bc" },
  ])
    assert.throws(() => sealing.open(sealed, other), unreadable);
});

test("values of older keys open while the key is there, and the newest seals", () => {
  const [old, fresh] = [randomBytes(32), randomBytes(32)];
  const sealed = createSealing({ keys: [old] }).seal("x", place);
  const both = createSealing({ keys: [fresh, old] });
  assert.equal(both.open(sealed, place), "x");
  assert.equal(keyIdOf(both.seal("x", place)), both.keyId);
  assert.throws(() => createSealing({ keys: [fresh] }).open(sealed, place), unreadable);
});

test("an error about a sealed value names the place and the remedy, and neither value nor key", () => {
  const key = randomBytes(32);
  const sealed = createSealing({ keys: [key] }).seal("hunter2", place);
  assert.throws(
    () => createSealing({ keys: [randomBytes(32)] }).open(sealed, place),
    (error: Error) => {
      assert.match(error.message, /secrets\/abc.*CORRAL_SECRET_KEY/);
      assert.doesNotMatch(error.message, /hunter2/);
      assert.ok(
        !error.message.includes(key.toString("base64")) && !error.message.includes(key.toString("hex")),
      );
      return true;
    },
  );
});

test("keys are read as base64 or hex, several of them, and nothing else is a key", () => {
  const [a, b] = [randomBytes(32), randomBytes(32)];
  assert.deepEqual(parseSealingKeys(`${a.toString("base64")},${b.toString("hex")}\n`), [a, b]);
  assert.deepEqual(parseSealingKeys(a.toString("base64url")), [a]);
  for (const text of ["", " ", "short", `${a.toString("hex")}0`, `${a.toString("base64")},x`])
    assert.equal(parseSealingKeys(text), null, text);
});

test("the key file is made once, for its owner alone, and by one of several who start together", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-keys-"));
  const file = sealingKeyFile(directory);
  const all = await Promise.all(Array.from({ length: 5 }, () => file.read()));
  for (const keys of all) assert.deepEqual(keys, all[0]);
  assert.equal((await stat(file.path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), ["secret-key"]);
  const two = [randomBytes(32), all[0]?.[0] ?? Buffer.alloc(0)] as const;
  await file.write(two);
  assert.deepEqual(await file.read(), [...two]);
  assert.equal((await readFile(file.path, "utf8")).trim().split("\n").length, 2);
  await chmod(file.path, 0o644);
  await assert.rejects(file.read(), /chmod 600/);
  await writeFile(file.path, "nonsense");
  await assert.rejects(file.read(), /restore it/);
  await rm(directory, { recursive: true });
});
