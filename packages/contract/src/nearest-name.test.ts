import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearestName } from "./nearest-name.ts";

test("two neighbouring letters in the wrong order are one edit", () => {
  assert.equal(editDistance("temprature", "temperature"), 1);
  assert.equal(editDistance("wieghts", "weights"), 1);
  assert.equal(editDistance("", "abc"), 3);
});

test("the nearest name is suggested, and none where everything is far", () => {
  const known = ["temperature", "top_p", "top_k", "weights"];
  assert.equal(nearestName("temprature", known), "temperature");
  assert.equal(nearestName("presicion", known), null);
  assert.equal(nearestName("planets", []), null);
});

test("a very long name is compared with nothing", () => {
  assert.equal(nearestName("a".repeat(1_000_000), ["a".repeat(90)]), null);
});
