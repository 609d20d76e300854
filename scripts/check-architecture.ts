// Which file may import which: the packages' edge table and the few rules that hold inside packages. It reads every
// source file of the repository and says so; a file that belongs to no known area is itself a violation.

import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, posix } from "node:path";
import { readImports } from "./read-imports.ts";
import { listFiles, repository } from "./repository.ts";

/** A package may import these and no others, types included. */
const edges: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  bundle: ["contract"],
  weights: ["contract"],
  engine: ["contract"],
  llama: ["contract", "engine", "weights"],
  sdk: ["contract"],
  runtime: ["contract", "bundle", "weights", "engine", "llama", "sdk"],
  platform: ["contract", "bundle", "weights"],
  client: ["contract"],
  cli: ["contract", "client", "bundle", "weights"],
  console: ["contract", "client"],
  kubernetes: ["contract"],
};

/** Folders of packages whose name is another. */
const folders: Readonly<Record<string, string>> = { model: "sdk" };

/** The stories see Corral from outside; `weights` is there only to damage a file where it hurts. */
const e2eImports = ["contract", "client", "weights"];

/** No I/O, clock or chance: neither here nor in what these files import. */
const pureFiles =
  /^packages\/(engine\/src\/(scheduler|cache|logits|strategies|stopping|text)\/|platform\/src\/domain\/|bundle\/src\/(manifest|patch)\.ts$)/;

const routesFolder = "packages/platform/src/routes/";
const routeImporters = ["packages/platform/src/server.ts", "packages/platform/src/main.ts"];
const nativeImporter = "packages/llama/src/abi.ts";

/** Declared although no file of the package imports them. */
const unimported: Readonly<Record<string, readonly string[]>> = {
  // A peer that fastify-type-provider-zod asks for.
  "packages/platform/package.json": ["openapi-types"],
};

export interface Violation {
  readonly file: string;
  readonly message: string;
}

export interface ArchitectureReport {
  readonly violations: readonly Violation[];
  readonly fileCount: number;
  readonly importCount: number;
}

interface PackageManifest {
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Checks the given files, paths relative to the repository; `read` gives a file's text. */
export function checkArchitecture(
  files: readonly string[],
  read: (file: string) => string,
): ArchitectureReport {
  const violations: Violation[] = [];
  const known = new Set(files);
  const sources = files.filter(isSource);
  const graph = new Map<string, { to: string; typeOnly: boolean }[]>();
  const impure = new Set<string>();
  const manifests = new Map<string, PackageManifest>();
  const manifestOf = (file: string): PackageManifest => {
    const found = manifests.get(file) ?? (known.has(file) ? (JSON.parse(read(file)) as PackageManifest) : {});
    manifests.set(file, found);
    return found;
  };
  const imported = new Map<string, Set<string>>();
  let importCount = 0;

  for (const file of sources) {
    const report = (message: string) => violations.push({ file, message });
    const area = areaOf(file);
    if (area === null) {
      report("belongs to no area: sources live in packages/, scripts/, e2e/ or bench/");
      continue;
    }
    if (area.kind === "package" && edges[area.name] === undefined) {
      report(`package ${area.name} has no row in the edge table of scripts/check-architecture.ts`);
      continue;
    }
    const targets: { to: string; typeOnly: boolean }[] = [];
    graph.set(file, targets);
    for (const { specifier, typeOnly } of readImports(read(file))) {
      importCount += 1;
      const names = imported.get(area.root) ?? new Set();
      imported.set(area.root, names.add(packageOf(specifier)));
      if (specifier.startsWith(".")) {
        const target = posix.normalize(posix.join(posix.dirname(file), specifier));
        targets.push({ to: target, typeOnly });
        const roots = area.kind === "tool" ? toolRoots : [area.root];
        if (!roots.some((root) => target.startsWith(`${root}/`)))
          report(`imports ${specifier}, which leaves ${area.root}`);
        else if (!known.has(target)) report(`imports ${specifier}, which does not exist`);
        else checkRoutes(file, target, report);
      } else if (isBuiltin(specifier)) {
        if (!typeOnly) impure.add(file);
        // A .cjs file may have to be parsed by any Node.
        if (!specifier.startsWith("node:") && !file.endsWith(".cjs"))
          report(`imports ${specifier}; write node:${specifier}`);
      } else if (specifier.startsWith("@corral/")) {
        checkWorkspaceImport(file, area, specifier, manifestOf, report);
      } else {
        checkPackageImport(file, area, specifier, manifestOf, report);
      }
    }
  }
  for (const [root, names] of imported) {
    const file = `${root}/package.json`;
    for (const name of Object.keys(manifestOf(file).dependencies ?? {})) {
      if (!names.has(name) && unimported[file]?.includes(name) !== true)
        violations.push({ file, message: `declares ${name}, which no file of it imports` });
    }
  }
  violations.push(...findImpurePaths(graph, impure), ...findCycles(graph));
  return { violations, fileCount: graph.size, importCount };
}

/** What measures and checks may be driven by what the stories are driven by. */
const toolRoots: readonly string[] = ["scripts", "bench", "e2e"];

type Area =
  | { readonly kind: "package"; readonly name: string; readonly root: string }
  | { readonly kind: "e2e"; readonly root: string }
  | { readonly kind: "tool"; readonly root: string };

function areaOf(file: string): Area | null {
  const [top, name] = file.split("/");
  if (top === "packages" && name !== undefined) return { kind: "package", name, root: `packages/${name}` };
  if (top === "e2e") return { kind: "e2e", root: "e2e" };
  if (top === "scripts" || top === "bench") return { kind: "tool", root: top };
  return null;
}

function isSource(file: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(file) && !/(^|\/)(test-data|models|templates|examples)\//.test(file);
}

function isTest(file: string): boolean {
  return /\.(test|bench)\.tsx?$/.test(file) || /\/src\/(.*\/)?testing\//.test(file);
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || builtinModules.includes(specifier);
}

/** Any package's tests may use them. */
const testingExports: readonly string[] = [
  "@corral/engine/testing",
  "@corral/llama/testing",
  "@corral/weights/testing",
];

function checkWorkspaceImport(
  file: string,
  area: Area,
  specifier: string,
  manifestOf: (file: string) => PackageManifest,
  report: (message: string) => void,
): void {
  const [, packageName = "", ...rest] = specifier.split("/");
  const name = folders[packageName] ?? packageName;
  const subpath = rest.length === 0 ? "." : `./${rest.join("/")}`;
  const exported = manifestOf(`packages/${name}/package.json`).exports ?? {};
  if (!Object.hasOwn(exported, subpath)) {
    report(`imports ${specifier}, which packages/${name}/package.json does not export`);
    return;
  }
  if (area.kind === "tool") return;
  if (area.kind === "e2e") {
    if (!e2eImports.includes(name))
      report(`imports ${specifier}; a story sees Corral through the CLI and HTTP only`);
    return;
  }
  if (name === area.name) {
    report(`imports its own package by name (${specifier}); use a relative path`);
    return;
  }
  if (testingExports.includes(specifier)) {
    if (!isTest(file)) report(`imports ${specifier}, which is for tests only`);
  } else if (!edges[area.name]?.includes(name)) {
    report(
      `imports ${specifier}, but ${area.name} may import only: ${edges[area.name]?.join(", ") || "nothing"}`,
    );
  }
  checkDeclared(file, area.root, `@corral/${packageName}`, manifestOf, report);
}

/** `@a/b/c` → `@a/b`, `a/b` → `a`. */
function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

/** Clients that users have already: a story shows that they work as they are. */
const clientsOfOthers: readonly string[] = ["openai"];

function checkPackageImport(
  file: string,
  area: Area,
  specifier: string,
  manifestOf: (file: string) => PackageManifest,
  report: (message: string) => void,
): void {
  const name = packageOf(specifier);
  if (name === "koffi" && file !== nativeImporter) report(`imports koffi; only ${nativeImporter} may`);
  if (area.kind === "e2e" && !clientsOfOthers.includes(name))
    report(`imports ${specifier}; a story needs no package but contract, client and weights`);
  else if (area.kind === "package") checkDeclared(file, area.root, name, manifestOf, report);
  else checkDeclared(file, ".", name, manifestOf, report);
}

/** The package's own package.json lists what it imports; tests may use development dependencies, the root's too. */
function checkDeclared(
  file: string,
  root: string,
  name: string,
  manifestOf: (file: string) => PackageManifest,
  report: (message: string) => void,
): void {
  const own = manifestOf(posix.join(root, "package.json"));
  const declared = { ...own.dependencies, ...own.optionalDependencies, ...own.peerDependencies };
  const forTests = { ...own.devDependencies, ...manifestOf("package.json").devDependencies };
  if (Object.hasOwn(declared, name)) return;
  if ((isTest(file) || root === ".") && Object.hasOwn(forTests, name)) return;
  report(`imports ${name}, which ${posix.join(root, "package.json")} does not declare`);
}

function checkRoutes(file: string, target: string, report: (message: string) => void): void {
  if (!target.startsWith(routesFolder) || file.startsWith(routesFolder)) return;
  if (routeImporters.includes(file) || isTest(file)) return;
  report(`imports ${target}; only the server knows the routes`);
}

/** A pure file must not reach a Node module, not even through another file. Types do not count: they vanish. */
function findImpurePaths(
  graph: ReadonlyMap<string, readonly { to: string; typeOnly: boolean }[]>,
  impure: ReadonlySet<string>,
): Violation[] {
  const violations: Violation[] = [];
  for (const start of graph.keys()) {
    if (!pureFiles.test(start) || isTest(start)) continue;
    const seen = new Set([start]);
    const queue: string[][] = [[start]];
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      const file = path.at(-1) ?? start;
      if (impure.has(file)) {
        const way = path.length === 1 ? "" : ` through ${path.slice(1).join(" → ")}`;
        violations.push({ file: start, message: `is pure and must not reach a Node module${way}` });
        break;
      }
      for (const { to, typeOnly } of graph.get(file) ?? []) {
        if (typeOnly || seen.has(to)) continue;
        seen.add(to);
        queue.push([...path, to]);
      }
    }
  }
  return violations;
}

/** Each cycle of value imports once, as a path that ends where it began. */
function findCycles(graph: ReadonlyMap<string, readonly { to: string; typeOnly: boolean }[]>): Violation[] {
  const violations: Violation[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      violations.push({ file, message: `is in an import cycle: ${[...path.slice(at), file].join(" → ")}` });
      return;
    }
    if (done.has(file)) return;
    for (const { to, typeOnly } of graph.get(file) ?? []) if (!typeOnly) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return violations;
}

/** Checks this repository, and that no source file was missed. */
export function checkRepository(root: string = repository): ArchitectureReport {
  const files = listFiles(root);
  const report = checkArchitecture(files, (file) => readFileSync(join(root, file), "utf8"));
  const expected = files.filter((file) => isSource(file)).length;
  const complete = report.fileCount === expected && files.includes("packages/contract/src/index.ts");
  if (report.violations.length === 0 && (!complete || report.importCount === 0)) {
    throw new Error(`check-architecture read ${report.fileCount} of ${expected} source files below ${root}`);
  }
  return report;
}

if (import.meta.main) {
  const report = checkRepository();
  for (const { file, message } of report.violations) console.error(`${file}: ${message}`);
  console.log(
    `${report.fileCount} files, ${report.importCount} imports, ${report.violations.length} violations`,
  );
  process.exitCode = report.violations.length === 0 ? 0 : 1;
}
