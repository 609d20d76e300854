// What a bundle's package.json and lockfile ask for, checked, as the files that npm is given. Pure: works on texts.

import { ServingError } from "@corral/contract";
import { posix } from "node:path";

export interface PackageFiles {
  /** As npm gets it: dependencies alone, and nothing that a package could run. */
  readonly packageText: string;
  /** Without addresses; null: there is none. */
  readonly lockText: string | null;
  /** Files and directories of the bundle that dependencies name, by their paths in it. */
  readonly localPaths: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const dependencyFields = [
  "dependencies",
  "optionalDependencies",
  "devDependencies",
  "peerDependencies",
] as const;
/** Of package.json, all that decides what is installed. */
const keptFields = ["name", "version", ...dependencyFields, "overrides"] as const;
const address = /^(https?:|git[+:]|git@|github:|gitlab:|bitbucket:|gist:|ssh:)|^[\w.-]+\/[\w.-]+(#.*)?$/;

/**
 * Null where nothing is to be installed. Fails with `invalid_bundle`, which names the file, the dependency and the remedy:
 * dependencies come from the registry of whoever runs the platform, or lie in the bundle.
 * @param lockText package-lock.json; null: there is none
 */
export function readPackageFiles(packageText: string, lockText: string | null): PackageFiles | null {
  const manifest = parse(packageText, "package.json");
  if (manifest["workspaces"] !== undefined) {
    throw wrong(
      "package.json: workspaces are not supported. List their packages as dependencies, with file: and their directory.",
    );
  }
  const wanted = dependencyFields.flatMap((field) => entriesOf(manifest, field));
  const localPaths = wanted.flatMap(({ field, name, range }) => localPathOf(field, name, range));
  const isEmpty = ["dependencies", "optionalDependencies", "peerDependencies"].every(
    (field) => entriesOf(manifest, field).length === 0,
  );
  if (isEmpty) return null;
  const kept = keptFields.flatMap((field) =>
    manifest[field] === undefined ? [] : [[field, manifest[field]]],
  );
  return {
    packageText: JSON.stringify(Object.fromEntries(kept)),
    lockText: lockText === null ? null : withoutAddresses(parse(lockText, "package-lock.json")),
    localPaths: [...new Set(localPaths)].sort((a, b) => (a < b ? -1 : 1)),
  };
}

interface Wanted {
  readonly field: string;
  readonly name: string;
  readonly range: string;
}

function entriesOf(manifest: Json, field: string): Wanted[] {
  const value = manifest[field] ?? {};
  if (!isObject(value)) throw wrong(`package.json: ${field} must be an object of names and versions.`);
  return Object.entries(value).map(([name, range]) => {
    if (typeof range === "string") return { field, name, range };
    throw wrong(
      `package.json: ${field}.${name} is ${JSON.stringify(range)}; it must be a text such as "^1.2.0".`,
    );
  });
}

function localPathOf(field: string, name: string, range: string): string[] {
  if (address.test(range)) {
    throw wrong(
      `package.json: ${field}.${name} is ${JSON.stringify(range)}; packages are not fetched from addresses. Name a version, or put its tar into the bundle and write "file:PATH".`,
    );
  }
  if (/^(link|workspace|portal|patch):/.test(range)) {
    throw wrong(
      `package.json: ${field}.${name} is ${JSON.stringify(range)}, which npm does not install from a bundle. Write "file:PATH".`,
    );
  }
  const given = /^file:(.*)$/.exec(range)?.[1] ?? (/^\.{0,2}\//.test(range) ? range : null);
  if (given === null) return [];
  const path = posix.normalize(given);
  if (path.startsWith("/") || path === ".." || path.startsWith("../") || path === ".") {
    throw wrong(
      `package.json: ${field}.${name} is ${JSON.stringify(range)}, which lies outside the bundle. Put it into the directory.`,
    );
  }
  return [path.replace(/\/$/, "")];
}

/**
 * The addresses of a lockfile are those of whoever wrote it; without them npm asks the registry that it is told, and the
 * checksums still hold.
 */
function withoutAddresses(lock: Json): string {
  const packages = lock["packages"];
  if (!isObject(packages)) {
    throw wrong(
      "package-lock.json has no packages; it is of an npm before 7. Write it anew with: npm install --package-lock-only",
    );
  }
  const { dependencies: _old, ...rest } = lock;
  const cleaned = Object.entries(packages).map(([place, entry]) => {
    if (!isObject(entry))
      throw wrong(`package-lock.json: packages[${JSON.stringify(place)}] must be an object.`);
    const { resolved, ...others } = entry;
    if (typeof resolved !== "string" || /^https?:/.test(resolved)) return [place, others] as const;
    if (address.test(resolved)) {
      throw wrong(
        `package-lock.json: ${place} comes from ${JSON.stringify(resolved.slice(0, 200))}; packages are not fetched from addresses. Depend on a published version.`,
      );
    }
    if (entry["link"] !== true) localPathOf("packages", place, resolved);
    return [place, entry] as const;
  });
  return JSON.stringify({ ...rest, packages: Object.fromEntries(cleaned) });
}

function parse(text: string, file: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(`${file} is no JSON: ${(error as Error).message}.`);
  }
  if (!isObject(value)) throw wrong(`${file} must hold a JSON object.`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(message: string): ServingError {
  return new ServingError("invalid_bundle", message, {
    errors: [{ pointer: "", code: "invalid_bundle", message }],
  });
}
