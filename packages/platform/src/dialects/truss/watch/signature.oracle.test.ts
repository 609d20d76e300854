// Against hashes that the Truss command made itself.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { signatureOf } from "./signature.ts";

interface Recorded {
  readonly files: Readonly<Record<string, string | { readonly repeat: string; readonly count: number }>>;
  readonly content_hashes_by_path: Readonly<Record<string, string | null>>;
  readonly requirements: readonly {
    readonly file: string;
    readonly text: string;
    readonly read: readonly string[];
  }[];
}

const path = new URL("../../../../test-data/truss/signature.json", import.meta.url);

test("requirements are those that the command reads of each kind of file", async () => {
  const { requirements } = JSON.parse(await readFile(path, "utf8")) as Recorded;
  const project = requirements.find(({ file }) => file === "pyproject.toml")?.text ?? "";
  for (const { file, text, read } of requirements) {
    const directory = await mkdtemp(join(tmpdir(), "corral-signature-"));
    try {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await writeFile(join(directory, file), text);
      await writeFile(join(directory, "config.yaml"), "");
      if (file.endsWith("uv.lock"))
        await writeFile(join(directory, dirname(file), "pyproject.toml"), project);
      const signature = await signatureOf([], directory, file, new Map());
      assert.deepEqual(signature.requirements_file_requirements, read, file);
    } finally {
      await rm(directory, { recursive: true });
    }
  }
});

test("a requirements file that is not there asks for nothing", async () => {
  const directory = await mkdtemp(join(tmpdir(), "corral-signature-"));
  try {
    await writeFile(join(directory, "config.yaml"), "");
    await writeFile(join(directory, "uv.lock"), "version = 1\n");
    await mkdir(join(directory, "model"));
    for (const file of ["uv.lock", "pyproject.toml", "none.txt", "uv.lock/none.txt", "model"]) {
      const signature = await signatureOf([], directory, file, new Map());
      assert.deepEqual(signature.requirements_file_requirements, [], file);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("files and directories have the hashes that the command gives them", async () => {
  const recorded = JSON.parse(await readFile(path, "utf8")) as Recorded;
  const directory = await mkdtemp(join(tmpdir(), "corral-signature-"));
  try {
    const files = [];
    for (const [name, given] of Object.entries(recorded.files)) {
      const text = typeof given === "string" ? given : given.repeat.repeat(given.count);
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), text);
      const sha256 = createHash("sha256").update(text).digest("hex");
      files.push({ path: name, size: Buffer.byteLength(text), sha256 });
    }
    const signature = await signatureOf(files, directory, "requirements.txt", new Map());
    assert.deepEqual(signature.content_hashes_by_path, recorded.content_hashes_by_path);
    assert.equal(signature.config, recorded.files["config.yaml"]);
    assert.deepEqual(signature.requirements_file_requirements, ["numpy", "requests==2 # pinned"]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
