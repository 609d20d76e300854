import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { refuseUnreadableFile } from "./weights-file.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-weights-"));
after(() => rmSync(directory, { recursive: true }));

function refuses(content: string | Buffer | null, message: RegExp): void {
  const path = join(directory, "weights.gguf");
  rmSync(path, { force: true });
  if (content !== null) writeFileSync(path, content);
  assert.throws(() => refuseUnreadableFile(path), { code: "weights_unreadable", message });
}

test("a missing file is refused by its base name alone", () => {
  refuses(null, /^weights\.gguf: there is no such file\.$/);
});

test("a directory is refused", () => {
  assert.throws(() => refuseUnreadableFile(directory), {
    code: "weights_unreadable",
    message: /not a file/,
  });
});

test("an empty file is refused", () => {
  refuses("", /empty/);
});

test("a text and a safetensors file are refused as no GGUF", () => {
  refuses("hello world, this is not a model", /not a GGUF/);
  refuses(Buffer.concat([Buffer.from([64, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("{}")]), /not a GGUF/);
});

test("a GGUF cut within its first eight bytes is refused", () => {
  refuses("GGUF\u0003", /truncated within its header/);
});

test("versions that llama.cpp does not read and the other byte order are refused", () => {
  refuses(Buffer.from("GGUF\u0001\0\0\0"), /version 1 is not supported/);
  refuses(Buffer.from("GGUF\0\0\0\u0003"), /big-endian/);
});

test("a file that begins like a GGUF passes on to llama.cpp", () => {
  const path = join(directory, "good.gguf");
  writeFileSync(path, Buffer.from("GGUF\u0003\0\0\0"));
  refuseUnreadableFile(path);
});
