import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createNoteUsed } from "./used-places.ts";

test("a replica's places are written down together, and those of the one before it count as used until then", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "corral-used-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const place = (name: string) => join(home, "environments", name);
  for (const name of ["a", "b", "c"]) {
    mkdirSync(place(name), { recursive: true });
    utimesSync(place(name), new Date(0), new Date(0));
  }
  const read = () => readFileSync(join(home, "used", "d1"), "utf8");
  const first = createNoteUsed("d1");
  await first(home, [place("a")]);
  await first(home, [place("a"), place("b")]);
  assert.equal(read(), "environments/a\nenvironments/b\n");
  const second = createNoteUsed("d1");
  await second(home, [place("c")]);
  assert.equal(read(), "environments/c\n");
  assert.ok(statSync(place("a")).mtimeMs > 0 && statSync(place("b")).mtimeMs > 0);
  assert.equal(statSync(place("c")).mtimeMs, 0);
  assert.deepEqual(readdirSync(join(home, "used")), ["d1"]);
});
