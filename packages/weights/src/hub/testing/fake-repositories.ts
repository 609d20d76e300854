// Repositories for the fake hub, made of directories: commits, trees and digests as git and LFS would name them.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { startDigest } from "../content-digest.ts";

export interface FakeRepositoryOptions {
  readonly directory: string;
  /** Other branches and tags. */
  readonly revisions?: Readonly<Record<string, string>>;
  readonly gated?: "auto" | "manual";
  readonly private?: boolean;
  /** Tokens that may read it where it is gated or private. */
  readonly access?: readonly string[];
  readonly license?: string;
}

export interface FakeFile {
  readonly path: string;
  readonly fullPath: string;
  readonly sizeBytes: number;
  readonly gitOid: string;
  /** Of files in LFS. */
  readonly sha256: string | null;
}

export interface FakeRepository extends FakeRepositoryOptions {
  readonly name: string;
  /** Commit by branch or tag. */
  readonly references: ReadonlyMap<string, string>;
  readonly commits: ReadonlyMap<string, ReadonlyMap<string, FakeFile>>;
}

/** As on the hub: weights and whatever is large. */
const inLfs = (path: string, sizeBytes: number): boolean =>
  /\.(safetensors|gguf|bin|pth|pt|model)$/.test(path) || sizeBytes > 10 << 20;

export function readFakeRepository(name: string, options: FakeRepositoryOptions): FakeRepository {
  const references = new Map<string, string>();
  const commits = new Map<string, ReadonlyMap<string, FakeFile>>();
  for (const [reference, directory] of Object.entries({ main: options.directory, ...options.revisions })) {
    const files = readFiles(directory);
    const commit = createHash("sha1");
    for (const file of files.values()) commit.update(`${file.path} ${file.gitOid}\n`);
    const hex = commit.digest("hex");
    references.set(reference, hex);
    commits.set(hex, files);
  }
  return { ...options, name, references, commits };
}

function readFiles(directory: string): Map<string, FakeFile> {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(directory, path)).isFile())
    .toSorted((left, right) => (left < right ? -1 : 1));
  return new Map(names.map((path) => [path, readFakeFile(directory, path)]));
}

function readFakeFile(directory: string, path: string): FakeFile {
  const fullPath = join(directory, path);
  const bytes = readFileSync(fullPath);
  if (!inLfs(path, bytes.length)) {
    return { path, fullPath, sizeBytes: bytes.length, gitOid: gitOid(bytes), sha256: null };
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes.length}\n`;
  return { path, fullPath, sizeBytes: bytes.length, gitOid: gitOid(Buffer.from(pointer)), sha256 };
}

const gitOid = (bytes: Uint8Array): string =>
  startDigest("git-sha1", bytes.length).update(bytes).digest("hex");

/** A branch, tag or commit as a commit; null: unknown. */
export function resolveFake(repository: FakeRepository, revision: string): string | null {
  return repository.references.get(revision) ?? (repository.commits.has(revision) ? revision : null);
}
