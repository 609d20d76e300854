// Keeps documents true: the paths, links, commands and variables they name exist, and generated ones are up to date.

import { existsSync, readFileSync } from "node:fs";
import { join, matchesGlob, posix } from "node:path";
import { generateDocuments } from "./generate-docs.ts";
import { listFiles, repository } from "./repository.ts";

export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** What documents are compared with. */
export interface Facts {
  /** Every file of the repository, relative to its root. */
  readonly files: readonly string[];
  /** Scripts of the root package.json. */
  readonly npmScripts: readonly string[];
  /** Subcommands of `corral`. */
  readonly corralCommands: readonly string[];
  /** `CORRAL_…` names that sources read. */
  readonly variables: readonly string[];
  /** Heading anchors of a document, or null where it does not exist. */
  anchors(file: string): readonly string[] | null;
}

const topFolders = ["packages", "scripts", "e2e", "docs", "models", "bench", "examples", ".ci"];
const npmOwn = ["ci", "install", "start", "test", "run", "exec", "cache", "config"];

/** Everything wrong with one document. */
export function checkDocument(file: string, text: string, facts: Facts): Problem[] {
  const problems: Problem[] = [];
  let fence: string | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const report = (message: string) => problems.push({ file, line: index + 1, message });
    const machinePath = /(?:^|[\s`"'(=])(\/(?:home|Users|root|work|mnt)\/[\w.-]+)/.exec(line);
    if (machinePath) report(`names a path of some machine: ${machinePath[1]}`);
    for (const [variable] of line.matchAll(/\bCORRAL_[A-Z][A-Z_]*[A-Z]\b/g)) {
      if (!facts.variables.includes(variable)) report(`${variable} is read by no source`);
    }
    const fenceMark = /^\s*```(\w*)/.exec(line);
    if (fenceMark) {
      fence = fence === null ? (fenceMark[1] ?? "") : null;
      continue;
    }
    if (fence !== null) {
      if (["sh", "bash", "console", "shell"].includes(fence))
        checkCommand(line.replace(/^\s*\$ /, ""), facts, report);
      continue;
    }
    for (const [, code = ""] of line.matchAll(/`([^`]+)`/g)) {
      if (code.includes(" ")) checkCommand(code, facts, report);
      else checkPath(file, code, facts, report);
    }
    for (const [, target = ""] of line.matchAll(/\]\(([^)\s]+)\)/g)) checkLink(file, target, facts, report);
  }
  return problems;
}

function checkPath(file: string, code: string, facts: Facts, report: (message: string) => void): void {
  const path = code.replace(/(:\d+)+$/, "");
  const first = path.split("/")[0] ?? "";
  if (!/^[\w.@*{},/-]+$/.test(path) || path.startsWith("/") || path.includes("…")) return;
  if (path.includes("/") && topFolders.includes(first)) {
    if (!exists(path, facts)) report(`${path} does not exist`);
    return;
  }
  const packageFolder = /^packages\/[^/]+/.exec(file)?.[0];
  if (path.startsWith("src/") && packageFolder !== undefined) {
    if (!exists(`${packageFolder}/${path}`, facts)) report(`${packageFolder}/${path} does not exist`);
    return;
  }
  if (
    /^[\w.-]+\.(ts|tsx|cjs|md|sql)$/.test(path) &&
    !facts.files.some((known) => posix.basename(known) === path)
  ) {
    report(`no file is named ${path}`);
  }
}

function exists(path: string, facts: Facts): boolean {
  const wanted = path.replace(/\/$/, "");
  if (/[*{]/.test(wanted)) return facts.files.some((file) => matchesGlob(file, wanted));
  return facts.files.some((file) => file === wanted || file.startsWith(`${wanted}/`));
}

function checkCommand(line: string, facts: Facts, report: (message: string) => void): void {
  const words = line.trim().split(/\s+/);
  while (/^[A-Z_]+=/.test(words[0] ?? "")) words.shift();
  const [command, first = ""] = words;
  if (command === "npm") {
    const second = words.slice(2).find((word) => !word.startsWith("-")) ?? "";
    if (!npmOwn.includes(first)) report(`npm ${first} is not used here`);
    if (first === "run" && !facts.npmScripts.includes(second))
      report(`npm run ${second} is no script of package.json`);
    if (first === "run" && second === "corral")
      checkCorral(words.slice(words.indexOf("--") + 1), facts, report);
  } else if (command === "corral") {
    checkCorral(words.slice(1), facts, report);
  } else if (command === "npx" && first === "corral") {
    checkCorral(words.slice(2), facts, report);
  } else if ((command === "node" || command === "bash") && /^[\w.-]+\//.test(first)) {
    if (!exists(first, facts)) report(`${first} does not exist`);
  }
}

function checkCorral(words: readonly string[], facts: Facts, report: (message: string) => void): void {
  const command = words[0] ?? "";
  if (command.startsWith("-") || !/^[a-z]/.test(command)) return;
  if (!facts.corralCommands.includes(command)) report(`corral has no command ${command}`);
}

function checkLink(file: string, target: string, facts: Facts, report: (message: string) => void): void {
  if (/^[a-z]+:/.test(target)) return;
  const [path = "", anchor] = target.split("#");
  const linked = path === "" ? file : posix.normalize(posix.join(posix.dirname(file), path));
  if (!exists(linked, facts)) {
    report(`the link ${target} leads nowhere`);
    return;
  }
  if (anchor !== undefined && facts.anchors(linked)?.includes(anchor) === false) {
    report(`${linked} has no heading #${anchor}`);
  }
}

/** Anchors as code hosts make them from headings. */
export function headingAnchors(text: string): string[] {
  const headings = text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#+\s+(.+)$/gm);
  return Array.from(headings, ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function readFacts(root: string, files: readonly string[]): Facts {
  const read = (file: string) => readFileSync(join(root, file), "utf8");
  const manifest = JSON.parse(read("package.json")) as { scripts?: Record<string, string> };
  const commands = new Set(["help"]);
  const variables = new Set<string>();
  for (const file of files) {
    if (!/\.(ts|cjs|py)$/.test(file) && file !== ".ci/run") continue;
    const text = read(file);
    for (const [name] of text.matchAll(/\bCORRAL_[A-Z][A-Z_]*[A-Z]\b/g)) variables.add(name);
    if (!file.startsWith("packages/cli/src/commands/") || file.includes(".test.")) continue;
    for (const [, name = ""] of text.matchAll(/: Command(?:Definition|Group) = \{\s*name: "([a-z-]+)"/g))
      commands.add(name);
  }
  return {
    files,
    npmScripts: Object.keys(manifest.scripts ?? {}),
    corralCommands: [...commands],
    variables: [...variables],
    anchors: (file) =>
      file.endsWith(".md") && existsSync(join(root, file)) ? headingAnchors(read(file)) : null,
  };
}

/** Checks every document of the repository. */
export function checkDocuments(root: string = repository): Problem[] {
  const files = listFiles(root);
  const facts = readFacts(root, files);
  const documents = files.filter((file) => file.endsWith(".md") && !file.includes("test-data/"));
  const problems = documents.flatMap((file) =>
    checkDocument(file, readFileSync(join(root, file), "utf8"), facts),
  );
  for (const [file, text] of generateDocuments(root)) {
    const current = existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8") : null;
    if (current !== text) problems.push({ file, line: 1, message: "is out of date; run npm run docs" });
  }
  return problems;
}

if (import.meta.main) {
  const problems = checkDocuments();
  for (const { file, line, message } of problems) console.error(`${file}:${line}: ${message}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
