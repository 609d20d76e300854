// Packages for GPUs that are installed and of no use: the processor's libraries then serve, and say why.
// A process opens libraries once, so these tests have a file of their own and end with the one that opens.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { openLibrary } from "./library.ts";
import { findPackage, resolveInstalled } from "./packages.ts";

const processorLibraries = findPackage("cpu", process.platform, process.arch);
const skip =
  process.platform !== "linux" || process.arch !== "x64" || processorLibraries === null
    ? "packages for GPUs are for linux-x64 only"
    : false;

const root = mkdtempSync(join(tmpdir(), "corral-packages-"));
after(() => rmSync(root, { recursive: true }));

/** A package's folder of binaries; the processor's package is the installed one. */
function binariesOf(name: string): string {
  const directory = join(root, name, "bins", name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

function resolvePackage(name: string): string {
  if (name === "@node-llama-cpp/linux-x64") return resolveInstalled(name);
  const folder = name.replace("@node-llama-cpp/", "");
  if (!readdirSync(root).includes(folder)) throw new Error(`Cannot find module ${name}`);
  return join(root, folder, "dist", "index.js");
}

test("a device whose package is not installed is refused with the command that installs it", { skip }, () => {
  assert.throws(() => openLibrary({ device: "vulkan", resolvePackage }), {
    code: "library_missing",
    message: /npm install --no-save @node-llama-cpp\/linux-x64-vulkan@\d/,
  });
});

test("a device that was asked for and does not answer is refused, not replaced", { skip }, () => {
  const directory = binariesOf("linux-x64-vulkan");
  // Everything is there but a backend that loads.
  const complete = processorLibraries?.directory ?? "";
  for (const name of readdirSync(complete)) symlinkSync(join(complete, name), join(directory, name));
  writeFileSync(join(directory, "libggml-vulkan.so"), "no library");
  assert.throws(() => openLibrary({ device: "vulkan", resolvePackage }), {
    code: "device_missing",
    message: /linux-x64-vulkan is installed, but no device answers: .*libggml-vulkan\.so/,
  });
});

test(
  "where no installed GPU package is of use the processor computes, and every reason is told",
  { skip },
  () => {
    const directory = binariesOf("linux-x64-cuda");
    for (const stem of ["libllama.cuda.v0.5.0", "libggml.cuda.v0.5.0", "libggml-base"])
      writeFileSync(join(directory, `${stem}.so`), "no library");
    const { backend, devices, passedOver } = openLibrary({ device: "auto", resolvePackage });
    assert.equal(backend, "cpu");
    assert.ok(devices.some(({ kind, memoryBytes }) => kind === "cpu" && memoryBytes > 0));
    assert.equal(passedOver.length, 2);
    assert.match(passedOver[0] ?? "", /libllama\.cuda\.v0\.5\.0\.so does not load/);
    assert.match(passedOver[1] ?? "", /no device answers/);
  },
);
