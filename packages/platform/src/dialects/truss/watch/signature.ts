// A version's files as the Truss command describes them: a BLAKE3 hash by path, null for a directory, with the text of
// config.yaml beside. From it the command finds out what changed on its side.

import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isProjectFile, projectFileOf, type ManifestFile } from "@corral/bundle";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { projectDependencies, requirementLines } from "./requirements.ts";

export interface TrussSignature {
  readonly content_hashes_by_path: Readonly<Record<string, string | null>>;
  /** Text of config.yaml. */
  readonly config: string;
  /** What the requirements file asks for, as the command reads it; empty where the config has none. */
  readonly requirements_file_requirements: readonly string[];
}

/** Hashes of files by their sha256, which the manifest knows: big files are read once. */
export type KnownHashes = Map<string, string>;

const mostKnown = 20_000;

export async function signatureOf(
  files: readonly ManifestFile[],
  directory: string,
  requirementsFile: string | null,
  known: KnownHashes,
): Promise<TrussSignature> {
  const hashes: Record<string, string | null> = {};
  for (const { path, sha256 } of files) {
    for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) hashes[parent] = null;
    const hash = known.get(sha256) ?? (await hashFile(join(directory, path)));
    if (known.size >= mostKnown) known.clear();
    known.set(sha256, hash);
    hashes[path] = hash;
  }
  const sorted = Object.entries(hashes).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    content_hashes_by_path: Object.fromEntries(sorted),
    config: await readFile(join(directory, "config.yaml"), "utf8"),
    requirements_file_requirements: await requirementsOf(directory, requirementsFile),
  };
}

async function requirementsOf(directory: string, file: string | null): Promise<string[]> {
  if (file === null) return [];
  const isProject = isProjectFile(file);
  const text = await readIfThere(join(directory, isProject ? projectFileOf(file) : file));
  if (text === null) return [];
  return isProject ? projectDependencies(text) : requirementLines(text);
}

/** Null where there is none: it was not asked for when some versions were pushed, and is not for TypeScript. */
async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(code)) return null;
    throw error;
  }
}

/** A file of any size, in pieces: other calls are answered between them. */
async function hashFile(path: string): Promise<string> {
  const hash = blake3.create();
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 16 })) hash.update(chunk as Buffer);
  return bytesToHex(hash.digest());
}
