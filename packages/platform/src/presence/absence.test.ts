import assert from "node:assert/strict";
import { test } from "node:test";
import { countAbsent, deadOf, noAbsences } from "./absence.ts";

test("who is absent at eight looks in a row is dead; who is seen in between begins anew", () => {
  const looks = [...Array.from({ length: 6 }, () => ["a", "b"]), ["a"], ["a", "b"]];
  let absences = noAbsences;
  const dead = looks.map((absent) => deadOf((absences = countAbsent(absences, absent))));
  assert.deepEqual(dead, [[], [], [], [], [], [], [], ["a"]]);
  assert.deepEqual(
    [...absences],
    [
      ["a", 8],
      ["b", 1],
    ],
  );
});
