import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { acceleratorWarning, countGpus } from "./accelerator.ts";

test("code that asks for a GPU runs without one, with a warning, unless its author is strict", () => {
  const wish = { name: "A100", count: 1, strict: false };
  assert.equal(acceleratorWarning(wish, 1), null);
  assert.equal(
    acceleratorWarning(wish, 0),
    "resources.accelerator asks for A100, and this machine has no NVIDIA GPU: the code runs on the processor.",
  );
  assert.match(
    acceleratorWarning({ ...wish, count: 4 }, 1) ?? "",
    /4 × A100, .* has 1 NVIDIA GPU: .* with those/,
  );
  assert.throws(() => acceleratorWarning({ ...wish, strict: true }, 0), { code: "device_missing" });
});

test("GPUs are counted by the devices that programs open", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "corral-dev-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const name of ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"])
    writeFileSync(join(directory, name), "");
  assert.equal(countGpus(directory), 2);
  assert.equal(countGpus(join(directory, "nowhere")), 0);
});
