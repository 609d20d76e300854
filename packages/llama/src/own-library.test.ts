// Libraries that a directory is named for, as somebody's own build is; those of npm stand in for one.
// A process opens libraries once, so these tests have a file of their own and end with the one that opens.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openHardware } from "./index.ts";
import { findPackage } from "./packages.ts";

const packaged = findPackage("cpu", process.platform, process.arch);
const skip = packaged === null && "npm has installed no libraries for this platform";
const directory = packaged?.directory ?? "";

test("libraries of one's own without the device that is asked for are refused by its name", { skip }, () => {
  assert.throws(() => openHardware({ libraryDirectory: directory, device: "cuda" }), {
    code: "device_missing",
    message: /find no device for cuda: they have CPU\./,
  });
});

test("of libraries of one's own any device does where none is asked for", { skip }, () => {
  const hardware = openHardware({ libraryDirectory: directory, device: "auto" });
  assert.deepEqual([hardware.backend, hardware.directory, hardware.gpus], ["cpu", directory, []]);
  assert.ok(hardware.processor !== null);
});
