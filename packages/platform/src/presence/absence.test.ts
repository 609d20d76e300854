import assert from "node:assert/strict";
import { test } from "node:test";
import { countAbsent, deadOf, noAbsences } from "./absence.ts";

test("who is absent at five looks in a row is dead; who is seen in between begins anew", () => {
  const looks = [["a", "b"], ["a", "b"], ["a", "b"], ["a"], ["a", "b"]];
  let absences = noAbsences;
  const dead = looks.map((absent) => deadOf((absences = countAbsent(absences, absent))));
  assert.deepEqual(dead, [[], [], [], [], ["a"]]);
  assert.deepEqual(
    [...absences],
    [
      ["a", 5],
      ["b", 1],
    ],
  );
});
