// Which names an archive's entries may have. Pure; the rules hold for every file system that Corral may run on.

import { fieldError, invalidBundle } from "./invalid-bundle.ts";

export interface EntryNames {
  /** The entry's safe path, or null for a directory (made as needed). Fails with `invalid_bundle`. */
  add(name: string, type: string): string | null;
}

const maxPathBytes = 1024;
const maxSegmentBytes = 255;

/** Remembers every name of one archive, so that no two can mean the same file anywhere. */
export function entryNames(): EntryNames {
  /** Folded path → how it was written. */
  const files = new Map<string, string>();
  const directories = new Map<string, string>();

  return {
    add(name, type) {
      if (type !== "file" && type !== "contiguous-file" && type !== "directory") {
        throw refuse(`${show(name)} is a ${type}; only regular files are taken.`);
      }
      const path = name.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
      if (type === "directory" && (path === "" || path === ".")) return null;
      if (name.endsWith("/") && type !== "directory")
        throw refuse(`${show(name)} is a file with the name of a directory.`);
      const problem = pathProblem(path);
      if (problem !== null) throw refuse(`${show(name)} ${problem}.`);

      const segments = path.split("/");
      const parentCount = type === "directory" ? segments.length : segments.length - 1;
      for (let depth = 1; depth <= parentCount; depth++) {
        const directory = segments.slice(0, depth).join("/");
        const folded = fold(directory);
        const written = directories.get(folded);
        if (files.has(folded)) throw refuse(`${show(directory)} is both a file and a directory.`);
        if (written !== undefined && written !== directory) throw refuse(collision(written, directory));
        directories.set(folded, directory);
      }
      if (type === "directory") return null;

      const folded = fold(path);
      const written = files.get(folded);
      if (written === path) throw refuse(`${show(path)} stands in the archive twice.`);
      if (written !== undefined) throw refuse(collision(written, path));
      if (directories.has(folded)) throw refuse(`${show(path)} is both a file and a directory.`);
      files.set(folded, path);
      return path;
    },
  };
}

function pathProblem(path: string): string | null {
  if (path === "") return "is an empty name";
  if (path.startsWith("/") || /^[a-zA-Z]:/.test(path))
    return "is an absolute path; names are relative to the bundle";
  if (path.includes("\\")) return "has a backslash";
  if (/[\p{Cc}\p{Cs}\p{Bidi_Control}\ufffd]/u.test(path))
    return "has control characters or is not valid text";
  if (Buffer.byteLength(path) > maxPathBytes) return `is longer than ${maxPathBytes} bytes`;
  for (const segment of path.split("/")) {
    if (segment === "..") return "leaves the bundle";
    if (segment === "" || segment === ".") return "has an empty part";
    if (Buffer.byteLength(segment) > maxSegmentBytes)
      return `has a part longer than ${maxSegmentBytes} bytes`;
  }
  return null;
}

/** Equal for names that some file system takes for the same. */
function fold(path: string): string {
  return path.normalize("NFKC").toLowerCase().normalize("NFC");
}

function collision(first: string, second: string): string {
  return `${show(first)} and ${show(second)} differ only in case or in how a letter is composed.`;
}

function show(name: string): string {
  const text = JSON.stringify(name);
  return text.length > 120 ? `${text.slice(0, 117)}…"` : text;
}

function refuse(message: string): Error {
  return invalidBundle([fieldError("", "invalid_bundle", message)]);
}
