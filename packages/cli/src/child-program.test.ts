import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { preparationMessageSchema, type PreparationMessage } from "@corral/contract";
import { runChildProgram } from "./child-program.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-child-program-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("lines of a program that are no messages are its log, and the messages around them arrive", async () => {
  const main = join(directory, "main.mjs");
  const warning = { kind: "warning", detail: "one" };
  const lines = ["ggml: a line of native code", JSON.stringify(warning), "{", '{"kind":"nothing"}', "null"];
  writeFileSync(main, `process.stdout.write(${JSON.stringify(lines.join("\n"))}); process.exitCode = 3;`);
  const messages: PreparationMessage[] = [];
  const end = await runChildProgram({
    main,
    config: {},
    parse: (value) => preparationMessageSchema.parse(value),
    onMessage: (message) => messages.push(message),
    environment: { PATH: process.env["PATH"] },
    directory,
    signal: new AbortController().signal,
  });
  assert.deepEqual(messages, [warning]);
  assert.equal(end.code, 3);
  assert.equal(end.lastLog, lines.filter((line) => line !== JSON.stringify(warning)).join("\n"));
});
