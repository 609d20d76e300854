// The names of a GGUF file's parts. Source: llama.cpp v0.5.0, llama_split_path ("%s-%05d-of-%05d.gguf").

import { basename, dirname, join } from "node:path";

export interface PartName {
  readonly stem: string;
  /** From 1. */
  readonly number: number;
  readonly count: number;
}

/** Null for a name that is no part's. */
export function partOf(path: string): PartName | null {
  const [, stem = "", number = "", count = ""] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(basename(path)) ?? [];
  return stem === "" ? null : { stem, number: Number(number), count: Number(count) };
}

export function isFirstPart(path: string): boolean {
  return partOf(path)?.number === 1;
}

/** The paths of all `count` parts, the first one first. */
export function partPaths(firstPath: string, count: number): readonly string[] {
  const part = partOf(firstPath);
  if (part === null) return [firstPath];
  const digits = (number: number) => String(number).padStart(5, "0");
  return Array.from({ length: count }, (_, index) =>
    join(dirname(firstPath), `${part.stem}-${digits(index + 1)}-of-${digits(count)}.gguf`),
  );
}

/** The paths of a file and of those that its name says belong to it, in order. */
export function pathsByName(path: string): readonly string[] {
  const part = partOf(path);
  return part === null ? [path] : partPaths(path, part.count);
}
