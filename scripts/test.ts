// The tests that `npm test` promises, on npm packages alone: check, unit, property, oracle and model tests, then the
// end-to-end stories. Arguments keep only the test files whose path contains one of them: `npm test -- engine`.

import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { run } from "node:test";
import { pathToFileURL } from "node:url";
import { runChecks } from "./check.ts";
import { LeftoverWatch } from "./leftovers.ts";
import { repository } from "./repository.ts";
import { batchesOf, sharesProcess, writeBatch } from "./test-batches.ts";

const totalMs = 18 * 60_000;
const fileMs = 4 * 60_000;

interface Totals {
  passed: number;
  failed: number;
  /** Reason → names of the tests that were skipped for it. */
  readonly skipped: Map<string, string[]>;
  readonly failures: string[];
}

export const groups = [
  {
    title: "Tests",
    patterns: ["packages/*/src/**/*.test.ts", "scripts/**/*.test.ts", "bench/**/*.test.ts"],
    concurrency: 3,
  },
  { title: "End-to-end stories", patterns: ["e2e/**/*.test.ts"], concurrency: 3 },
];

async function main(filters: readonly string[]): Promise<number> {
  const started = Date.now();
  const home = mkdtempSync(join(tmpdir(), "corral-test-"));
  isolateEnvironment(home);
  const totals: Totals = { passed: 0, failed: 0, skipped: new Map(), failures: [] };
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), totalMs - 10_000);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => giveUp.abort());

  let database: Database | null = null;
  try {
    if (filters.length === 0) {
      console.log("Check");
      for (const { name, ok } of await runChecks({ fix: false })) count(totals, ok, `check: ${name}`);
    }
    for (const { title, patterns, concurrency } of groups) {
      const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: repository })).sort();
      const chosen = files.filter(
        (file) => filters.length === 0 || filters.some((word) => file.includes(word)),
      );
      if (chosen.length === 0 || giveUp.signal.aborted) continue;
      // One for all files: the start of a server is most of what a small test of the platform takes.
      if (chosen.some((file) => file.startsWith("packages/platform/"))) {
        database ??= await startDatabase();
        Object.assign(process.env, database.environment);
      }
      console.log(`\n${title}`);
      const options = { home, concurrency, signal: giveUp.signal, totals };
      const random = process.env["CORRAL_LONG_TESTS"] === "1" ? [] : chosen.filter(drawsInput);
      await runFiles(
        chosen.filter((file) => !random.includes(file)),
        options,
      );
      await runFiles(random, { ...options, nodeOptions: ["--import", propertySeed] });
    }
    if (giveUp.signal.aborted) count(totals, false, "the tests did not end in time, or were interrupted");
    if (totals.passed + totals.failed === 0) {
      count(
        totals,
        false,
        filters.length === 0 ? "no tests found" : `no test file matches ${filters.join(", ")}`,
      );
    }
  } finally {
    clearTimeout(timer);
    await database?.[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
  printSummary(totals, Date.now() - started);
  return totals.failed === 0 ? 0 : 1;
}

type Database = AsyncDisposable & { readonly environment: Readonly<Record<string, string>> };

/** Loaded when it is needed: by then everything is installed. */
async function startDatabase(): Promise<Database> {
  const { startSharedServer } = await import("@corral/platform/testing/database");
  return startSharedServer();
}

const propertySeed = pathToFileURL(join(repository, "scripts/property-seed.ts")).href;

function drawsInput(file: string): boolean {
  return readTest(file).includes('from "fast-check"');
}

function readTest(file: string): string {
  return readFileSync(join(repository, file), "utf8");
}

/** What a tester asks of the tests: the long ones, and those that run the real systems. */
const keptVariables = [
  "CORRAL_LONG_TESTS",
  "CORRAL_ORACLE_PYTHON",
  "CORRAL_ORACLE_LLAMA_CPP",
  "CORRAL_TRUSS_PYTHON",
];

/** Nothing of the user's own Corral, database, keys or Hugging Face cache reaches a test. */
function isolateEnvironment(home: string): void {
  for (const name of Object.keys(process.env)) {
    if (keptVariables.includes(name)) continue;
    if (/^(CORRAL_|HF_|PG|NODE_OPTIONS$|NODE_TEST_CONTEXT$|DATABASE_URL$|LOG_LEVEL$|OTEL_)/.test(name))
      delete process.env[name];
  }
  // A unix socket's path may have 107 bytes, so the directory names here stay short.
  process.env["TMPDIR"] = join(home, "t");
  process.env["CORRAL_HOME"] = join(home, "h");
  // Tests start hundreds of processes, and reading TypeScript is half of such a start.
  process.env["NODE_COMPILE_CACHE"] = join(home, "c");
  // Others may pass through, not look: as root, PostgreSQL's tests run it as another user, too.
  chmodSync(home, 0o711);
  mkdirSync(join(home, "t"), { mode: 0o711 });
  mkdirSync(join(home, "h"), { mode: 0o700 });
}

interface RunOptions {
  readonly home: string;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly totals: Totals;
  /** Of the processes of the files. Default: none. */
  readonly nodeOptions?: readonly string[];
}

/**
 * Runs test files, those that need it in processes of their own and the others in batches, prints a line for each, and
 * fails for what they leave running.
 */
async function runFiles(
  files: readonly string[],
  { home, concurrency, signal, totals, nodeOptions = [] }: RunOptions,
): Promise<void> {
  if (files.length === 0 || signal.aborted) return;
  const watch = new LeftoverWatch(basename(home));
  const reports = new Map<string, FileReport>();
  const reportOf = (path: string | undefined) => {
    const file = relative(repository, path ?? "?");
    const report = reports.get(file) ?? { passed: 0, failed: 0, skipped: 0, durationMs: 0, output: "" };
    reports.set(file, report);
    return { file, report };
  };
  const shared = files.filter((file) => sharesProcess(file, readTest(file)));
  const directory = mkdtempSync(join(home, "b-"));
  const batches = new Map(
    batchesOf(shared).map((batch, index) => {
      const paths = batch.map((file) => join(repository, file));
      return [writeBatch(directory, `batch-${index}`, paths), batch];
    }),
  );
  const alone = files.filter((file) => !shared.includes(file)).map((file) => join(repository, file));
  const stream = run({
    // The long ones are among those alone: they begin first.
    files: [...alone, ...batches.keys()],
    cwd: repository,
    execArgv: nodeOptions,
    concurrency,
    timeout: fileMs,
    signal,
  });
  for await (const event of stream) {
    switch (event.type) {
      case "test:stdout":
      case "test:stderr": {
        const { report } = reportOf(event.data.file);
        report.output = (report.output + event.data.message).slice(-8_000);
        break;
      }
      case "test:pass":
      case "test:fail": {
        if (event.data.details.type === "suite" || event.data.name === "<root>") break;
        const { file, report } = reportOf(event.data.file);
        const { name, skip, todo } = event.data;
        if (event.data.nesting === 0) report.durationMs += event.data.details.duration_ms;
        const isFile = name === event.data.file;
        if (skip !== undefined && skip !== false) {
          report.skipped += 1;
          const reason = typeof skip === "string" && skip !== "" ? skip : "no reason given";
          totals.skipped.set(reason, [...(totals.skipped.get(reason) ?? []), `${file}: ${name}`]);
        } else if (event.type === "test:fail" && (todo === undefined || todo === false)) {
          report.failed += 1;
          const error = event.data.details.error;
          if (failureType(error) === "subtestsFailed") {
            report.failed -= 1;
            break;
          }
          const text = isFile ? `the file itself failed\n${report.output}` : describe(error);
          count(totals, false, `${file}: ${isFile ? "(file)" : name}\n${indent(text)}`);
          if (isFile) printFile(file, report, event.data.details.duration_ms);
        } else if (isFile) {
          report.failed += 1;
          count(totals, false, `${file}: has no tests`);
          printFile(file, report, event.data.details.duration_ms);
        } else {
          report.passed += 1;
          totals.passed += 1;
        }
        break;
      }
      case "test:summary": {
        if (event.data.file === undefined) break;
        const batch = batches.get(event.data.file);
        for (const path of batch ?? []) {
          const { file, report } = reportOf(join(repository, path));
          if (report.passed + report.failed + report.skipped === 0) {
            report.failed += 1;
            count(totals, false, `${file}: has no tests, or its batch ended before them`);
          }
          printFile(file, report, report.durationMs);
        }
        if (batch !== undefined) break;
        const { file, report } = reportOf(event.data.file);
        printFile(file, report, event.data.duration_ms);
        break;
      }
      default:
        break;
    }
  }
  for (const left of await watch.finish(5_000)) {
    count(totals, false, `left running: ${left.pid} ${left.command.slice(0, 200)}`);
    console.log(`  ✗ left running after the tests, ended now: ${left.pid} ${left.command.slice(0, 120)}`);
    try {
      process.kill(left.pid, "SIGKILL");
    } catch {
      // It ended in the meantime; it still counts.
    }
  }
}

interface FileReport {
  passed: number;
  failed: number;
  skipped: number;
  /** Of its tests, without the start of their process. */
  durationMs: number;
  output: string;
}

function printFile(file: string, report: FileReport, durationMs: number): void {
  const parts = [`${report.passed} passed`];
  if (report.failed > 0) parts.push(`${report.failed} failed`);
  if (report.skipped > 0) parts.push(`${report.skipped} skipped`);
  const seconds = (durationMs / 1000).toFixed(1);
  console.log(`  ${report.failed === 0 ? "✓" : "✗"} ${file}  ${parts.join(", ")}  ${seconds} s`);
}

function count(totals: Totals, ok: boolean, what: string): void {
  if (ok) totals.passed += 1;
  else {
    totals.failed += 1;
    totals.failures.push(what);
  }
}

function printSummary(totals: Totals, durationMs: number): void {
  if (totals.failures.length > 0)
    console.log(`\nFailed:\n${totals.failures.map((text) => `\n  ✗ ${text}`).join("\n")}`);
  const skippedCount = [...totals.skipped.values()].reduce((sum, names) => sum + names.length, 0);
  if (skippedCount > 0) {
    console.log(`\n${skippedCount} skipped:`);
    for (const [reason, names] of totals.skipped) console.log(`  ${names.length} × ${reason} (${names[0]})`);
  }
  console.log(`\n${(durationMs / 1000).toFixed(0)} s`);
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
}

function failureType(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "failureType" in error
    ? String(error.failureType)
    : undefined;
}

/** The thrown error behind the runner's own: its stack, which has the message, the difference and the line. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  const stack = cause.stack ?? cause.message;
  const lines = stack
    .split("\n")
    .filter((line) => !line.includes("(node:internal") && !line.includes("at node:internal"));
  const inner = cause.cause === undefined ? "" : `\ncaused by ${describe(cause.cause)}`;
  return lines.slice(0, 40).join("\n") + inner;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "      ");
}

if (import.meta.main) process.exit(await main(process.argv.slice(2).filter((word) => word !== "--")));
