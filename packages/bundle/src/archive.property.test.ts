// Archives made of true tar headers with wrong things in them: unpacking ends, writes inside its directory alone, and
// keeps no more of it in memory than a piece.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, lstat, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isServingError } from "@corral/contract";
import fc from "fast-check";
import { unpackArchive } from "./archive.ts";

const block = 512;

interface Entry {
  readonly name: string;
  readonly prefix: string;
  readonly link: string;
  readonly type: string;
  /** As the header has it; the content may have another length. */
  readonly size: string;
  readonly content: string;
  /** Of GNU and POSIX headers before it: key and value of a pax record, or a long name. */
  readonly before: readonly { readonly type: string; readonly text: string }[];
  readonly isSummed: boolean;
}

function header({ name, prefix, link, type, size, isSummed }: Omit<Entry, "content" | "before">): Buffer {
  const bytes = Buffer.alloc(block);
  bytes.write(name, 0, 100, "latin1");
  bytes.write("0000644\0", 100);
  bytes.write("0000000\0", 108);
  bytes.write("0000000\0", 116);
  bytes.write(size, 124, 12, "latin1");
  bytes.write("00000000000\0", 136);
  bytes.write("        ", 148);
  bytes.write(type, 156, 1, "latin1");
  bytes.write(link, 157, 100, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  bytes.write(prefix, 345, 155, "latin1");
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${(isSummed ? sum : sum + 1).toString(8).padStart(6, "0")}\0 `, 148);
  return bytes;
}

const octal = (size: number) => `${size.toString(8).padStart(11, "0")}\0`;

function padded(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([bytes, Buffer.alloc((block - (bytes.length % block)) % block)]);
}

function archiveOf(entries: readonly Entry[], hasEnd: boolean): Buffer {
  const pieces = entries.flatMap(({ content, before, ...head }) => [
    ...before.flatMap(({ type, text }) => [
      header({
        ...head,
        name: "././@LongLink",
        prefix: "",
        link: "",
        type,
        size: octal(text.length),
        isSummed: true,
      }),
      padded(text),
    ]),
    header(head),
    padded(content),
  ]);
  return Buffer.concat([...pieces, ...(hasEnd ? [Buffer.alloc(2 * block)] : [])]);
}

const parts = [
  "..",
  ".",
  "a",
  "b",
  "A",
  "",
  "/",
  "\\",
  "~",
  "\0",
  "..\\",
  "con",
  "é",
  "e\u0301",
  "%2e%2e",
  " ",
  "outside",
];
const names = fc.oneof(
  fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 5 }).map((words) => words.join("/")),
  fc.constantFrom(
    "/etc/passwd",
    "../outside/theirs",
    "a/../../outside/theirs",
    "..",
    "C:\\x",
    "a".repeat(99),
  ),
  fc.string({ maxLength: 99 }),
);
const pax = fc
  .tuple(
    fc.constantFrom(
      "path",
      "linkpath",
      "size",
      "GNU.sparse.name",
      "GNU.sparse.realsize",
      "SCHILY.xattr.x",
      "__proto__",
    ),
    fc.oneof(names, fc.constantFrom("-1", "99999999999999999999", "0", "0x10")),
  )
  .map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length += 1;
    return `${length}${rest}`;
  });
const before = fc.oneof(
  fc.record({ type: fc.constantFrom("x", "g"), text: fc.oneof(pax, fc.string({ maxLength: 40 })) }),
  fc.record({ type: fc.constantFrom("L", "K"), text: names.map((name) => `${name}\0`) }),
);
const entry: fc.Arbitrary<Entry> = fc
  .record({
    name: names,
    prefix: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, names),
    link: names,
    type: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("0", "\0", "5") },
      fc.constantFrom("1", "2", "3", "4", "6", "7", "S", "M", "V", "Z"),
    ),
    content: fc.string({ maxLength: 1200 }),
    size: fc.oneof(
      { weight: 4, arbitrary: fc.constant("") },
      fc.constantFrom(
        "77777777777\0",
        "-0000000001\0",
        "not a size\0",
        "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
      ),
    ),
    before: fc.array(before, { maxLength: 2 }),
    isSummed: fc.integer({ min: 1, max: 6 }).map((one) => one > 1),
  })
  .map((made) => ({
    ...made,
    size: made.size === "" ? octal(Buffer.byteLength(made.content, "latin1")) : made.size,
  }));

/** Without it, nothing might be unpacked in so few runs. */
const sound: Entry = {
  name: "a/b",
  prefix: "",
  link: "",
  type: "0",
  size: octal(4),
  content: "text",
  before: [],
  isSummed: true,
};
const archives = fc.oneof(
  { weight: 9, arbitrary: fc.array(entry, { minLength: 1, maxLength: 6 }) },
  fc.array(fc.constant(sound), { minLength: 1, maxLength: 1 }),
);

const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const one of entries) {
    const { nlink } = await lstat(join(one.parentPath, one.name));
    assert.ok(one.isDirectory() || (one.isFile() && nlink === 1), `${one.name} is a file or a directory`);
  }
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

test("whatever is in an archive, it is refused or unpacked inside its directory, and nothing else is touched", async () => {
  const place = await mkdtemp(join(tmpdir(), "corral-fuzz-"));
  await mkdir(join(place, "outside"));
  await writeFile(join(place, "outside/theirs"), "theirs");
  const limits = { fileCount: 20, fileBytes: 4_096, totalBytes: 16_384 };
  let number = 0;
  let unpackedCount = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        archives,
        fc.boolean(),
        flips,
        fc.integer({ min: 1, max: 1_500 }),
        async (entries, hasEnd, changes, pieceSize) => {
          const bytes = archiveOf(entries, hasEnd);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const directory = join(place, `d${(number += 1)}`);
          await mkdir(directory);
          try {
            const files = await unpackArchive(inPieces(bytes, pieceSize), directory, limits);
            unpackedCount += 1;
            assert.equal((await filesBelow(directory)).length, files.length);
            for (const { path } of files) assert.ok(!path.split("/").includes(".."));
          } catch (error) {
            assert.ok(isServingError(error) && error.code === "invalid_bundle", String(error));
            await filesBelow(directory);
          }
          await rm(directory, { recursive: true, force: true });
          assert.deepEqual(await readdir(place), ["outside"]);
          assert.deepEqual(await readdir(join(place, "outside")), ["theirs"]);
        },
      ),
      { numRuns: process.env["CORRAL_LONG_TESTS"] === "1" ? 20_000 : 120 },
    );
    assert.ok(unpackedCount > 0, "some of them are good");
  } finally {
    await rm(place, { recursive: true, force: true });
  }
});

test("an archive of many pieces is never held in memory", async () => {
  const place = await mkdtemp(join(tmpdir(), "corral-fuzz-"));
  const contentBytes = 200 * 2 ** 20;
  const piece = Buffer.alloc(2 ** 20, 1);
  async function* archive(): AsyncGenerator<Buffer> {
    yield header({
      name: "large",
      prefix: "",
      link: "",
      type: "0",
      size: octal(contentBytes),
      isSummed: true,
    });
    for (let at = 0; at < contentBytes; at += piece.length) yield piece;
    yield Buffer.alloc(2 * block);
  }
  const before_ = process.memoryUsage().rss;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
  try {
    await unpackArchive(archive(), place);
    assert.ok(most - before_ < contentBytes / 2, `${most - before_} bytes more`);
  } finally {
    clearInterval(watch);
    await rm(place, { recursive: true, force: true });
  }
});
