// `npm run check`: format, types, lint, architecture, documents and licences, with the time of each.
// `npm run check -- --fix` repairs what can be repaired.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { checkRepository } from "./check-architecture.ts";
import { checkDocuments } from "./check-docs.ts";
import { writeDocuments } from "./generate-docs.ts";
import { repository } from "./repository.ts";
import { thirdPartyDocument, writeThirdParty } from "./third-party.ts";

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
}

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

type Check = (fix: boolean) => Promise<Outcome>;

const tool = (name: string) => join(repository, "node_modules/.bin", name);

/** Two lanes for two cores; the order within a lane is the order they run in. */
const lanes: readonly Readonly<Record<string, Check>>[] = [
  {
    format: (fix) => command(tool("oxfmt"), [fix ? "--write" : "--check"]),
    types: () => command(tool("tsc"), ["--noEmit", "--project", "tsconfig.json", "--pretty", "false"]),
  },
  {
    architecture: async () => {
      const { violations } = checkRepository();
      return lines(violations.map(({ file, message }) => `${file}: ${message}`));
    },
    documents: async (fix) => {
      if (fix) writeDocuments();
      const problems = checkDocuments();
      return lines(problems.map(({ file, line, message }) => `${file}:${line}: ${message}`));
    },
    licences: async (fix) => {
      if (fix) writeThirdParty();
      return lines(thirdPartyDocument().problems);
    },
    lint,
  },
];

/** Runs every check, prints a line for each with its findings, and gives the results. */
export async function runChecks({ fix }: { readonly fix: boolean }): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const runLane = async (lane: Readonly<Record<string, Check>>) => {
    for (const [name, check] of Object.entries(lane)) {
      const started = performance.now();
      const { ok, output } = await check(fix).catch((error: unknown) => ({
        ok: false,
        output: String(error),
      }));
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`  ${ok ? "✓" : "✗"} ${name.padEnd(13)}${seconds} s`);
      if (!ok && output !== "") console.log(output.trimEnd().replaceAll(/^/gm, "      "));
      results.push({ name, ok });
    }
  };
  // Formatting and lint repairs write the same files: with --fix one lane follows the other.
  if (fix) for (const lane of lanes) await runLane(lane);
  else await Promise.all(lanes.map(runLane));
  return results;
}

/** Lint, and proof that it looked: oxlint finds nothing wrong with no files, too. */
async function lint(fix: boolean): Promise<Outcome> {
  const { ok, output } = await command(tool("oxlint"), [
    "--type-aware",
    "--deny-warnings",
    ...(fix ? ["--fix"] : []),
  ]);
  const fileCount = Number(/\bon (\d+) files?\b/.exec(output)?.[1] ?? 0);
  if (fileCount < 50) return { ok: false, output: `${output}\noxlint read ${fileCount} files` };
  return { ok, output };
}

function lines(found: readonly string[]): Outcome {
  return { ok: found.length === 0, output: found.join("\n") };
}

function command(file: string, args: readonly string[]): Promise<Outcome> {
  const child = spawn(file, args, { cwd: repository, stdio: ["ignore", "pipe", "pipe"], timeout: 120_000 });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ ok: code === 0, output: signal === null ? output : `${output}\nended by ${signal}` });
    });
  });
}

if (import.meta.main) {
  const started = performance.now();
  const results = await runChecks({ fix: process.argv.includes("--fix") });
  const failed = results.filter((result) => !result.ok);
  console.log(`\n${((performance.now() - started) / 1000).toFixed(1)} s`);
  console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
