import assert from "node:assert/strict";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, describe, it } from "node:test";
import { isServingError } from "@corral/contract";
import fc from "fast-check";
import { pack, type Header } from "tar-stream";
import { defaultUnpackLimits, packBundle, unpackArchive } from "./archive.ts";
import { inspectBundle, readBundle, removeForeignFiles } from "./bundle.ts";
import { manifestDigest } from "./files.ts";

const made: string[] = [];
afterEach(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
});

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "corral-bundle-"));
  made.push(directory);
  return directory;
}

async function directoryOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const directory = await emptyDirectory();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  return directory;
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* inChunks(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function tarOf(
  entries: readonly (Partial<Header> & { name: string; content?: string })[],
): Promise<Buffer> {
  const archive = pack();
  for (const { content = "x", ...header } of entries) archive.entry(header, content);
  archive.finalize();
  return await bytesOf(Readable.from(archive));
}

async function refusesArchive(
  bytes: Uint8Array,
  message: RegExp,
  limits = defaultUnpackLimits,
): Promise<void> {
  const directory = await emptyDirectory();
  await assert.rejects(unpackArchive(inChunks(bytes), directory, limits), (error: unknown) => {
    assert.ok(isServingError(error), String(error));
    assert.equal(error.code, "invalid_bundle");
    assert.match(error.message, message);
    return true;
  });
}

const config = "model_metadata:\n  corral:\n    weights: model.gguf\n";
const bundleFiles = {
  "config.yaml": config,
  "model.gguf": "GGUF…",
  "generation_config.json": '{"top_k": 3}',
};

describe("packing", () => {
  it("gives the same bytes whatever the times and the order of creation", async () => {
    const first = await directoryOf(bundleFiles);
    const second = await directoryOf(Object.fromEntries(Object.entries(bundleFiles).reverse()));
    await utimes(join(second, "config.yaml"), 1, 1);
    const [a, b] = [await inspectBundle(first), await inspectBundle(second)];
    assert.deepEqual(
      await bytesOf(packBundle(first, a.files)),
      await bytesOf(packBundle(second, b.files.toReversed())),
    );
    const digests = [await readBundle(first), await readBundle(second)].map(({ manifest }) =>
      manifestDigest(manifest),
    );
    assert.equal(digests[0], digests[1]);
  });

  it("and unpacking give the same version on the other side", async () => {
    const long = `${"d".repeat(120)}/${"é".repeat(60)}.txt`;
    const source = await directoryOf({
      ...bundleFiles,
      [long]: "long",
      "weights/a b.bin": Buffer.alloc(300_000, 7),
    });
    const inspected = await inspectBundle(source);
    const target = await emptyDirectory();
    let progress = 0;
    const archive = packBundle(source, inspected.files, { onProgress: (done) => (progress = done) });
    const unpacked = await unpackArchive(archive, target);
    assert.deepEqual(unpacked, inspected.files);
    assert.equal(
      progress,
      inspected.files.reduce((sum, file) => sum + file.size, 0),
    );
    assert.equal(
      manifestDigest((await readBundle(target)).manifest),
      manifestDigest((await readBundle(source)).manifest),
    );
  });

  it("fails where a file is not what it was when it was listed", async () => {
    const directory = await directoryOf(bundleFiles);
    const { files } = await inspectBundle(directory);
    for (const content of ["longer than before", "s"]) {
      await writeFile(join(directory, "model.gguf"), content);
      await assert.rejects(bytesOf(packBundle(directory, files)), /model\.gguf changed while it was packed/);
    }
  });
});

describe("unpacking refuses", () => {
  const attacks: readonly [string, Partial<Header> & { name: string }, RegExp][] = [
    ["a path out of the directory", { name: "../evil" }, /leaves the bundle/],
    ["a path out of the directory, later in it", { name: "a/../../evil" }, /leaves the bundle/],
    ["an absolute path", { name: "/etc/passwd" }, /absolute path/],
    ["a drive letter", { name: "C:/evil" }, /absolute path/],
    ["a backslash", { name: "a\\..\\evil" }, /backslash/],
    ["control characters", { name: "a\nb" }, /control characters/],
    ["text that turns around", { name: "a\u202eb" }, /control characters/],
    ["an empty part", { name: "a//b" }, /empty part/],
    ["a symbolic link", { name: "a", type: "symlink", linkname: "/etc/passwd" }, /is a symlink/],
    ["a hard link", { name: "a", type: "link", linkname: "config.yaml" }, /is a link/],
    ["a device", { name: "a", type: "character-device" }, /is a character-device/],
    ["a pipe", { name: "a", type: "fifo" }, /is a fifo/],
    ["the same name again", { name: "first" }, /twice/],
    ["a name that differs in case", { name: "FIRST" }, /differ only in case/],
    ["a name below a file", { name: "first/second" }, /both a file and a directory/],
    ["a very long part", { name: "x".repeat(256) }, /longer than 255/],
    ["a sparse file", { name: "a", pax: { "GNU.sparse.major": "1" } }, /"a" is sparse/],
  ];
  for (const [what, header, message] of attacks) {
    it(what, async () => {
      const content = header.type === undefined ? {} : { content: "" };
      await refusesArchive(await tarOf([{ name: "first" }, { ...header, ...content }]), message);
    });
  }

  it("an entry of a kind that tar does not know, such as GNU's sparse files", async () => {
    const bytes = await tarOf([{ name: "a", content: "" }]);
    bytes[156] = "S".charCodeAt(0);
    bytes.fill(" ", 148, 156);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    await refusesArchive(bytes, /"a" is a thing of an unknown kind/);
  });

  it("headers and directories without end", async () => {
    const long = await tarOf([{ name: "a", pax: { comment: "x".repeat(5 * 1024 * 1024) } }]);
    await refusesArchive(long, /Header exceeds max size/);
    const directories = Array.from({ length: 9 }, (_, index) => ({
      name: `d${index}/`,
      type: "directory" as const,
      content: "",
    }));
    await refusesArchive(await tarOf(directories), /over 8 entries/, {
      ...defaultUnpackLimits,
      fileCount: 2,
    });
  });

  it("a name composed in another way", async () => {
    await refusesArchive(await tarOf([{ name: "\u00e9" }, { name: "e\u0301" }]), /differ only in case/);
  });

  it("too many files, too large a file, too much together", async () => {
    const three = await tarOf([{ name: "a" }, { name: "b" }, { name: "c", content: "12345" }]);
    await refusesArchive(three, /over 2 files/, { ...defaultUnpackLimits, fileCount: 2 });
    await refusesArchive(three, /c has 5 bytes; at most 4/, { ...defaultUnpackLimits, fileBytes: 4 });
    await refusesArchive(three, /over 6 bytes/, { ...defaultUnpackLimits, totalBytes: 6 });
  });

  it("an archive cut off anywhere", async () => {
    const whole = await tarOf([{ name: "a", content: "y".repeat(600) }, { name: "b" }]);
    for (const length of [
      0,
      1,
      511,
      512,
      700,
      1024,
      1536,
      2048,
      2560,
      whole.length - 1024,
      whole.length - 1,
    ]) {
      await refusesArchive(whole.subarray(0, length), /too early|empty/);
    }
  });

  it("what is no tar at all", async () => {
    await refusesArchive(Buffer.from("hello".repeat(1000)), /not a valid tar/);
    await refusesArchive(Buffer.from([0x1f, 0x8b, 8, 0]), /compressed/);
    await refusesArchive(Buffer.alloc(10240), /empty/);
  });

  it("nothing outside the directory is ever written, whatever the bytes are", async () => {
    const whole = await tarOf([{ name: "a/b" }, { name: "c" }]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(1535), fc.nat(255)), { maxLength: 6 }), async (changes) => {
        const parent = await emptyDirectory();
        const target = join(parent, "target");
        await mkdir(target);
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        await unpackArchive(inChunks(bytes), target).catch((error: unknown) => {
          assert.ok(isServingError(error) && error.code === "invalid_bundle", String(error));
        });
        assert.deepEqual(await readdir(parent), ["target"]);
      }),
      { numRuns: 60 },
    );
  });
});

it("unpacking takes directory entries and names that begin with ./, as tar(1) writes them", async () => {
  const bytes = await tarOf([
    { name: "./", type: "directory", content: "" },
    { name: "./d/", type: "directory", content: "" },
    { name: "./d/config.yaml", content: "yes" },
  ]);
  const directory = await emptyDirectory();
  assert.deepEqual(await unpackArchive(inChunks(bytes), directory), [{ path: "d/config.yaml", size: 3 }]);
  assert.equal(await readFile(join(directory, "d/config.yaml"), "utf8"), "yes");
});

describe("readBundle", () => {
  it("reads config, weights, generation config and manifest", async () => {
    const bundle = await readBundle(await directoryOf({ ...bundleFiles, ".env": "SECRET=1", "x.log": "" }));
    assert.deepEqual(bundle.weights, { kind: "bundled", path: "model.gguf" });
    assert.deepEqual(bundle.generationConfig, { top_k: 3 });
    assert.deepEqual(
      bundle.files.map(({ path }) => path),
      ["config.yaml", "generation_config.json", "model.gguf"],
    );
    assert.match(bundle.manifest.weightsSha256 ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(bundle.warnings, []);
  });

  it("takes generation_config.json from beside the weights where there is none beside the config", async () => {
    const directory = await directoryOf({
      "config.yaml": config.replace("model.gguf", "weights/m.gguf"),
      "weights/m.gguf": "x",
      "weights/generation_config.json": "{}",
    });
    assert.deepEqual((await readBundle(directory)).generationConfig, {});
    await writeFile(join(directory, "weights/generation_config.json"), "[1]");
    await assert.rejects(readBundle(directory), /weights\/generation_config\.json: must be a JSON object/);
  });

  it("refuses code without a beginning, links, missing weights and ignored weights", async () => {
    await assert.rejects(
      readBundle(await directoryOf({ ...bundleFiles, "model/helper.py": "" })),
      /model\/helper\.py is code, but there is neither model\/model\.py nor model\/model\.ts\./,
    );
    await assert.rejects(readBundle(await directoryOf({ "config.yaml": config })), /there is no such file/);
    await assert.rejects(
      readBundle(
        await directoryOf({
          "config.yaml": config.replace("model.gguf", "build/model.gguf"),
          "build/model.gguf": "x",
        }),
      ),
      /left out of the bundle by the ignore rules/,
    );
    await assert.rejects(
      readBundle(await directoryOf({ "config.yml": config })),
      /must be named config\.yaml/,
    );
    const linked = await directoryOf(bundleFiles);
    await symlink("/etc/hostname", join(linked, "hostname"));
    await assert.rejects(readBundle(linked), /hostname is a link/);
  });

  it("leaves secrets out whatever the ignore file says, and warns of code that is not run", async () => {
    const bundle = await readBundle(
      await directoryOf({
        ...bundleFiles,
        ".truss_ignore": "*.md\n!.env\n",
        ".env": "A=1",
        ".env.example": "A=",
        "sub/.netrc": "machine x",
        "tls/server.pem": "-----BEGIN RSA PRIVATE KEY-----\nx\n",
        "tls/authority.pem": "-----BEGIN CERTIFICATE-----\nx\n",
        "packages/util.py": "",
        "README.md": "",
      }),
    );
    assert.deepEqual(
      bundle.files.map(({ path }) => path),
      [
        ".env.example",
        ".truss_ignore",
        "config.yaml",
        "generation_config.json",
        "model.gguf",
        "packages/util.py",
        "tls/authority.pem",
      ],
    );
    assert.deepEqual(
      bundle.warnings.map((warning) => warning.split(" ", 3).join(" ")),
      ["packages/util.py has no", ".env holds a", "sub/.netrc holds a", "tls/server.pem holds a"],
    );
  });
});

describe("external packages", () => {
  const text = "external_package_dirs: [../shared]\nrequirements: [numpy]\n";
  const model = { "model/config.yaml": text, "model/model/model.py": "class Model: ..." };

  it("travel in the bundle's packages, and the version is the same on the other side", async () => {
    const around = await directoryOf({
      ...model,
      "model/packages/own.py": "",
      "shared/tools/__init__.py": "x = 1",
      "shared/tools/__pycache__/a.pyc": "",
      "shared/.env": "A=1",
    });
    const source = join(around, "model");
    const bundle = await readBundle(source, { gather: true });
    const paths = ["config.yaml", "model/model.py", "packages/own.py", "packages/tools/__init__.py"];
    assert.deepEqual(
      bundle.manifest.files.map(({ path }) => path),
      paths,
    );
    const target = await emptyDirectory();
    await unpackArchive(packBundle(source, bundle.files), target);
    assert.equal(await readFile(join(target, "packages/tools/__init__.py"), "utf8"), "x = 1");
    const other = await readBundle(target);
    assert.equal(manifestDigest(other.manifest), manifestDigest(bundle.manifest));
  });

  it("are refused where they are not there or one would replace a file", async () => {
    const around = await directoryOf({ ...model, "model/packages/a.py": "", "shared/a.py": "" });
    const gather = (directory: string) => inspectBundle(join(directory, "model"), { gather: true });
    await assert.rejects(
      gather(around),
      /\.\.\/shared\/a\.py would be packages\/a\.py, which is there already/,
    );
    await assert.rejects(
      gather(await directoryOf(model)),
      /names \.\.\/shared, and there is no such directory/,
    );
  });
});

describe("code in a directory", () => {
  it("is in the manifest with its surroundings, and weights need not be", async () => {
    const directory = await directoryOf({
      "config.yaml": "python_version: py311\n",
      "model/model.py": "class Model: ...",
      "generation_config.json": "not for us",
    });
    const { manifest, weights } = await readBundle(directory);
    assert.equal(weights, null);
    assert.deepEqual(manifest.code, { kind: "python", file: "model/model.py", className: "Model" });
    assert.equal(manifest.truss?.pythonVersion, "py311");
    assert.equal(manifest.weightsSha256, null);
    assert.deepEqual(manifest.generationConfig, {});
    await writeFile(join(directory, "model/model.py"), "class Model: pass");
    assert.notEqual(manifestDigest((await readBundle(directory)).manifest), manifestDigest(manifest));
  });

  it("names a requirements file that must be there", async () => {
    const files = { "config.yaml": "requirements_file: ./deps/requirements.txt\n", "model/model.py": "" };
    await assert.rejects(readBundle(await directoryOf(files)), /line 1: requirements_file names \.\/deps/);
    await readBundle(await directoryOf({ ...files, "deps/requirements.txt": "numpy\n" }));
  });

  it("names a lock whose project file must be beside it", async () => {
    const files = {
      "config.yaml": "model_name: locked\nrequirements_file: app/uv.lock\n",
      "model/model.py": "",
      "app/uv.lock": "version = 1\n",
    };
    await assert.rejects(
      readBundle(await directoryOf({ ...files, "pyproject.toml": "" })),
      /line 2: requirements_file names app\/uv\.lock, which belongs to app\/pyproject\.toml, .* put it beside/,
    );
    await readBundle(await directoryOf({ ...files, "app/pyproject.toml": "" }));
  });
});

it("files that do not belong to a bundle are removed from its directory", async () => {
  const directory = await directoryOf({ ...bundleFiles, ".env": "A=1", "sub/x.log": "", "sub/kept.txt": "" });
  await removeForeignFiles(await inspectBundle(directory));
  assert.deepEqual((await readdir(directory, { recursive: true })).toSorted(), [
    "config.yaml",
    "generation_config.json",
    "model.gguf",
    "sub",
    "sub/kept.txt",
  ]);
});

describe("what a bundle keeps and what it leaves out", () => {
  it("a file that may be run stays one, and other files' digests do not change for it", async () => {
    const directory = await directoryOf({
      "config.yaml": "",
      "model/model.py": "",
      "data/run.sh": "#!/bin/sh\n",
    });
    const before = await readBundle(directory);
    assert.ok(!JSON.stringify(before.manifest).includes("executable"));
    await chmod(join(directory, "data/run.sh"), 0o755);
    const after = await readBundle(directory);
    assert.deepEqual(
      after.manifest.files.filter(({ executable }) => executable).map(({ path }) => path),
      ["data/run.sh"],
    );
    assert.notEqual(manifestDigest(after.manifest), manifestDigest(before.manifest));
    const target = await emptyDirectory();
    await unpackArchive(packBundle(directory, after.files), target);
    const modes = ["data/run.sh", "model/model.py"].map(
      async (path) => (await stat(join(target, path))).mode & 0o111,
    );
    assert.deepEqual(
      await Promise.all(modes),
      [0o111, 0].map((mode) => mode & ~process.umask()),
    );
    assert.equal(manifestDigest((await readBundle(target)).manifest), manifestDigest(after.manifest));
  });

  it("an example of a .env travels, the real one does not", async () => {
    const files = { "config.yaml": "", "model/model.py": "", ".env.example": "A=", ".env.local": "A=b" };
    const bundle = await readBundle(await directoryOf(files));
    assert.deepEqual(
      bundle.files.map(({ path }) => path),
      [".env.example", "config.yaml", "model/model.py"],
    );
    assert.match(bundle.warnings.join(), /\.env\.local holds a secret and was left out/);
  });

  it("code with a token in it is refused by name, and the token is not shown", async () => {
    const token = `hf_${"a1".repeat(20)}`;
    const directory = await directoryOf({ "config.yaml": "", "model/model.py": `login("${token}")\n` });
    await assert.rejects(readBundle(directory), (error: Error) => {
      assert.match(error.message, /model\/model\.py holds a Hugging Face token.* under secrets/);
      assert.ok(!error.message.includes(token));
      return true;
    });
  });

  it("a secret with a value is kept with a warning that names it and not its value", async () => {
    const config = "secrets: {a: hunter2, b: null, c: ''}\n";
    const { warnings } = await readBundle(await directoryOf({ "config.yaml": config, "model/model.py": "" }));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /^secrets\.a has a value in config\.yaml, which is kept/);
    assert.ok(!warnings[0]?.includes("hunter2"));
  });

  it("external packages keep to the bundle's own ignore rules, which both sides know", async () => {
    const root = await directoryOf({
      "model/config.yaml": "external_package_dirs: [../shared]\n",
      "model/model/model.py": "",
      "model/.truss_ignore": "*.json\n",
      "shared/pkg/__init__.py": "",
      "shared/pkg/table.json": "{}",
      "shared/.env.local": "A=b",
    });
    const directory = join(root, "model");
    const sent = await readBundle(directory, { gather: true });
    assert.ok(sent.files.some(({ path }) => path === "packages/pkg/__init__.py"));
    const warnings = sent.warnings.join("\n");
    assert.match(warnings, /packages\/pkg\/table\.json is left out by the bundle's ignore rules/);
    assert.match(warnings, /\.\.\/shared\/\.env\.local holds a secret/);
    const target = await emptyDirectory();
    await unpackArchive(packBundle(directory, sent.files), target);
    await writeFile(join(target, "packages/other.json"), "{}");
    const received = await readBundle(target);
    assert.equal(manifestDigest(received.manifest), manifestDigest(sent.manifest));
    assert.match((await removeForeignFiles(received)).join(), /^packages\/other\.json is left out/);
  });

  it("external packages never come from where secrets are kept, by whatever name", async () => {
    const root = await directoryOf({
      "model/config.yaml": "external_package_dirs: [../.docker/sub, ../link]\n",
      "model/model/model.py": "",
      ".docker/sub/config.json": "{}",
      ".aws/credentials": "x",
    });
    await symlink(join(root, ".aws"), join(root, "link"));
    await assert.rejects(readBundle(join(root, "model"), { gather: true }), (error: Error) => {
      assert.match(error.message, /names \.\.\/\.docker\/sub, where secrets are kept/);
      assert.match(error.message, /names \.\.\/link, where secrets are kept/);
      return true;
    });
  });

  it("very many ignore rules are refused, since every path is held against each", async () => {
    const rules = "a/**/b\n".repeat(1_001);
    const directory = await directoryOf({ "config.yaml": "", "model/model.py": "", ".truss_ignore": rules });
    await assert.rejects(readBundle(directory), /\.truss_ignore must have at most 1000 lines/);
  });
});
