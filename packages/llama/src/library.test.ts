import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import {
  expectedContextParams,
  expectedModelParams,
  expectedQuantizeParams,
  expectedStructSizesBytes,
  expectedVersion,
} from "./release.ts";
import { findDrift, type LibraryFingerprint, openLibrary } from "./library.ts";
import { findPackage, missingPackage } from "./packages.ts";

const fitting: LibraryFingerprint = {
  version: expectedVersion,
  structSizesBytes: expectedStructSizesBytes,
  modelParams: expectedModelParams,
  contextParams: expectedContextParams,
  quantizeParams: expectedQuantizeParams,
};

test("the expected library shows no drift", () => {
  assert.deepEqual(findDrift(fitting), []);
});

test("another release is named with both versions", () => {
  assert.deepEqual(findDrift({ ...fitting, version: "0.6.0" }), [
    `version llama_version is 0.6.0 instead of ${expectedVersion}`,
  ]);
});

test("every default that differs is named", () => {
  const drift = findDrift({
    ...fitting,
    structSizesBytes: { ...expectedStructSizesBytes, batch: 48 },
    modelParams: { ...expectedModelParams, lazy_mode: 0 },
    contextParams: { ...expectedContextParams, n_threads: 1, kv_unified: true },
    quantizeParams: { ...expectedQuantizeParams, ftype: 1 },
  });
  assert.deepEqual(drift, [
    "size of batch is 48 instead of 56",
    "default model lazy_mode is 0 instead of 1",
    "default context n_threads is 1 instead of 4",
    "default context kv_unified is true instead of false",
    "default quantize ftype is 1 instead of 7",
  ]);
});

test("a platform without libraries is told what to do", () => {
  assert.equal(findPackage("cpu", "sunos", "sparc"), null);
  assert.match(
    missingPackage("cpu", "sunos", "sparc").message,
    /sunos-sparc, only for linux-x64 and linux-arm64/,
  );
});

test("a directory without libraries is refused with the names that were looked for", () => {
  assert.throws(() => openLibrary({ directory: "/nonexistent" }), {
    code: "library_missing",
    message: /nonexistent has none of libllama/,
  });
});

test("a file that is no library is refused", (context) => {
  const directory = mkdtempSync(join(tmpdir(), "corral-llama-"));
  context.after(() => rmSync(directory, { recursive: true }));
  for (const name of ["libllama.so", "libggml.so", "libggml-base.so"])
    writeFileSync(join(directory, name), "no library");
  assert.throws(() => openLibrary({ directory }), {
    code: "library_mismatch",
    message: /does not load/,
  });
});

test("the library that npm installed opens, once, and no other beside it", (context) => {
  const packaged = findPackage("cpu", process.platform, process.arch);
  if (packaged === null) {
    context.skip("npm has installed no libraries for this platform");
    return;
  }
  const library = openLibrary();
  assert.equal(library.backend, "cpu");
  assert.equal(openLibrary({ directory: packaged.directory }), library);
  assert.throws(() => openLibrary({ directory: "/elsewhere" }), {
    code: "library_mismatch",
    message: /already uses/,
  });
  assert.throws(() => openLibrary({ device: "cuda" }), {
    code: "library_mismatch",
    message: /those for cuda/,
  });
});
