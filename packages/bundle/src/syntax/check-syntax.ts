// Whether Node can run a bundle's code as it stands: every file is read by Node's own parsers in a process of its own, which
// is bounded in size and time. Nothing of the code is run.

import { posix } from "node:path";
import type { FieldError } from "@corral/contract";
import { fieldError } from "../invalid-bundle.ts";
import { createSyntaxProcesses, type ReadSyntax } from "./syntax-process.ts";
import type { SyntaxProblem } from "./syntax-program.ts";

export interface SyntaxFile {
  /** In the bundle. */
  readonly path: string;
  readonly size: number;
}

export interface SyntaxLimits {
  /** Of one file. */
  readonly fileBytes: number;
  readonly totalBytes: number;
  readonly timeMs: number;
}

const defaultLimits: SyntaxLimits = { fileBytes: 4 * 1024 ** 2, totalBytes: 16 * 1024 ** 2, timeMs: 30_000 };

const withTypes = /\.(ts|mts|cts)$/;
const modules = /\.(ts|mts|js|mjs)$/;

/** In a process that ends with the job. */
const readOnce: ReadSyntax = (job, timeMs) => createSyntaxProcesses({ keptMs: 0 }).read(job, timeMs);

export interface SyntaxOptions {
  /** Default: in a process of the call's own. */
  readonly read?: ReadSyntax;
  /** Paths of files that have been found right before: they are not read again. */
  readonly known?: ReadonlySet<string>;
  readonly limits?: SyntaxLimits;
}

/**
 * What is wrong with the code files in the directory of `file` and below it; installed packages are not the author's.
 * @param directory of the bundle
 * @param file the one that answers calls
 */
export async function checkSyntax(
  directory: string,
  file: string,
  files: readonly SyntaxFile[],
  { read = readOnce, known = new Set(), limits = defaultLimits }: SyntaxOptions = {},
): Promise<FieldError[]> {
  const folder = posix.dirname(file) === "." ? "" : `${posix.dirname(file)}/`;
  const code = files.filter(
    ({ path }) =>
      path.startsWith(folder) &&
      !/(^|\/)node_modules\//.test(path) &&
      (withTypes.test(path) || modules.test(path)),
  );
  const { paths: all, errors } = withinLimits(code, limits);
  const paths = all.filter((path) => !known.has(path));
  if (paths.length === 0) return errors;
  const problems = await read({ directory, paths }, limits.timeMs);
  return typeof problems === "string"
    ? [...errors, fieldError("", "invalid_bundle", problems)]
    : [...errors, ...problems.map(describe)];
}

/** Large files without types are somebody's bundled library, and Node runs them or says why not. */
function withinLimits(
  files: readonly SyntaxFile[],
  { fileBytes, totalBytes }: SyntaxLimits,
): { readonly paths: string[]; readonly errors: FieldError[] } {
  const paths: string[] = [];
  const errors: FieldError[] = [];
  let sum = 0;
  for (const { path, size } of files) {
    const fits = size <= fileBytes && sum + size <= totalBytes;
    if (fits) {
      paths.push(path);
      sum += size;
    } else if (withTypes.test(path)) {
      const message =
        size > fileBytes
          ? `${path} has ${size} bytes; a TypeScript file may have ${fileBytes}. Keep data in data/, or as JSON.`
          : `${path} is beyond the ${totalBytes} bytes that the TypeScript files of a model may have together. Leave out what it does not need with .truss_ignore.`;
      errors.push(fieldError("", "invalid_bundle", message));
    }
  }
  return { paths, errors };
}

function describe({ path, line, kind, message }: SyntaxProblem): FieldError {
  const place = line === null ? path : `${path} line ${line}`;
  const said = /[.!?]$/.test(message) ? message : `${message}.`;
  const remedy =
    kind === "unsupported"
      ? " Node runs the file as it is and only takes types away: write it without, a literal union or an object for an enum, plain fields for parameter properties, a module for a namespace."
      : "";
  return fieldError("", "invalid_bundle", `${place}: ${said}${remedy}`);
}
