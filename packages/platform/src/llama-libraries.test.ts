import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { requireLlamaLibraries } from "./llama-libraries.ts";

test("a directory of llama.cpp libraries has libllama in it, or is refused with the way to one", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "corral-libraries-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const refusal = { code: "invalid_parameter", message: /CORRAL_LLAMA_LIBRARIES is .*build:llama/ };
  await assert.rejects(requireLlamaLibraries(directory), refusal);
  await assert.rejects(requireLlamaLibraries(join(directory, "nowhere")), refusal);
  writeFileSync(join(directory, "libllama.so"), "");
  await requireLlamaLibraries(directory);
});
