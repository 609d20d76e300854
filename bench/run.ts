// `npm run bench -- --workload NAME`: a workload against our engine and what it is compared with, in turns. Starts what
// is to be compared, measures round by round, prints the comparison and keeps every sample. Judges nothing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { deviceChoices, type Compute, type DeviceChoice } from "@corral/contract";
import { checkGguf, sha256OfFile } from "@corral/weights";
import { compareFigure, printComparison, type Column } from "./report.ts";
import { foreignCoresOf, measureRounds, type MeasuredRounds, type RoundOptions } from "./rounds.ts";
import { describeCommit, describeCompute, describeMachine, untilQuiet } from "./machine.ts";
import { startContender, type Place, type RunningContender } from "./measure.ts";
import { median } from "./statistics.ts";
import { batchTokenCount, defaultMaxStepMs, microBatchTokenCount } from "./targets/entry.ts";
import { findTransformers } from "./targets/find-transformers.ts";
import { roundContext, wireOf, type Workload } from "./workload.ts";
import { workloads } from "./workloads.ts";

interface Options extends RoundOptions {
  readonly shape: string;
  readonly quick: boolean;
  /** Null: what the workload has. */
  readonly seconds: number | null;
  readonly device: DeviceChoice;
  /** A binary that is there already; null: ours, built where it is missing. */
  readonly llamaServer: string | null;
  /** What our replica computes with; null: the packaged libraries. */
  readonly llamaLibraries: string | null;
  readonly threadCount: number;
  /** Of our replica, where the workload says nothing of it. */
  readonly maxStepMs: number;
  readonly seed: number;
  /** Names of contenders or set-ups; empty: all. */
  readonly only: readonly string[];
}

const repository = fileURLToPath(new URL("..", import.meta.url));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workload: { type: "string", multiple: true, default: [] },
      shape: { type: "string", default: "1b" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      seconds: { type: "string" },
      threads: { type: "string" },
      device: { type: "string", default: "cpu" },
      "llama-server": { type: "string" },
      "llama-libraries": { type: "string" },
      "max-step-ms": { type: "string", default: String(defaultMaxStepMs) },
      seed: { type: "string", default: "1" },
      only: { type: "string", multiple: true, default: [] },
      "max-foreign": { type: "string", default: "Infinity" },
    },
  });
  const unknown = values.workload.find(
    (name) => name !== "all" && !workloads.some((known) => known.name === name),
  );
  const chosen = workloads.filter(
    ({ name }) => values.workload.includes(name) || values.workload.includes("all"),
  );
  const roundCount = values.rounds === undefined ? null : Number(values.rounds);
  const device = deviceChoices.find((known) => known === values.device);
  const maxStepMs = Number(values["max-step-ms"]);
  const isValid = device !== undefined && (roundCount ?? 1) >= 1 && maxStepMs > 0;
  if (unknown !== undefined || chosen.length === 0 || !isValid) {
    const names = workloads.map(({ name, question }) => `  ${name.padEnd(14)} ${question}`).join("\n");
    process.stderr.write(
      `usage: npm run bench -- --workload NAME [--rounds N] [--shape small|1b|7b] [--quick] [--seconds N] [--threads N] [--max-step-ms N] [--device ${deviceChoices.join("|")}] [--llama-server PATH] [--llama-libraries DIRECTORY] [--only CONTENDER] [--max-foreign CORES] [--seed N]\n\n${names}\n`,
    );
    process.exitCode = 2;
    return;
  }
  const options: Options = {
    shape: values.shape,
    roundCount: roundCount ?? (values.quick ? 2 : 9),
    quick: values.quick,
    seconds: values.seconds === undefined ? null : Number(values.seconds),
    device,
    llamaServer: values["llama-server"] === undefined ? null : resolve(values["llama-server"]),
    llamaLibraries: values["llama-libraries"] === undefined ? null : resolve(values["llama-libraries"]),
    threadCount: Number(values.threads ?? defaultThreadCount(device)),
    maxStepMs,
    seed: Number(values.seed),
    only: values.only,
    maxForeignCores: Number(values["max-foreign"]),
    untilQuiet,
  };
  for (const workload of chosen) {
    const own = roundCount ?? workload.roundCount ?? options.roundCount;
    await runWorkload(workload, { ...options, roundCount: own });
  }
}

/** Beside a GPU one is enough, and more have to be woken in every step. */
function defaultThreadCount(device: DeviceChoice): number {
  return device === "cuda" || device === "vulkan" ? 1 : availableParallelism();
}

async function runWorkload(workload: Workload, options: Options): Promise<void> {
  const wanted = workload
    .contenders({ quick: options.quick, ...(options.seconds === null ? {} : { seconds: options.seconds }) })
    .filter(
      ({ name, setUp }) =>
        options.only.length === 0 || options.only.includes(name) || options.only.includes(setUp),
    );
  if (wanted.length === 0) throw new Error(`${workload.name} has no contender ${options.only.join(", ")}`);
  const model = await runScript("make-shape", ["--shape", options.shape]);
  const wires = new Set(wanted.map(({ setUp }) => wireOf(setUp)));
  const llamaServer = wires.has("llama-server")
    ? (options.llamaServer ?? (await runScript("build-llama-server", [])))
    : null;
  const python = wires.has("transformers") ? await findTransformers() : null;
  const isMissing = python !== null && "missing" in python;
  const contenders = wanted.filter(({ setUp }) => wireOf(setUp) !== "transformers" || !isMissing);
  const skipped = wanted
    .filter((contender) => !contenders.includes(contender))
    .map(({ name }) => ({ name, reason: isMissing ? python.missing : "" }));
  if (contenders.length === 0) throw new Error(skipped[0]?.reason);
  const { vocabularySize } = await checkGguf(model);
  const directory = mkdtempSync(join(tmpdir(), "corral-bench-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once("exit", remove);
  const place: Place = {
    model,
    device: options.device,
    llamaServer,
    llamaLibraries: options.llamaLibraries,
    python: python === null || "missing" in python ? null : python.path,
    threadCount: options.threadCount,
    maxStepMs: options.maxStepMs,
    directory,
    limitMs: workload.limitMs,
    readsLoad: workload.readsLoad ?? false,
  };
  const context = (round: number) =>
    roundContext(options.seed, workload.name, round, vocabularySize ?? 32_000);
  const machine = describeMachine();
  const source = describeCommit(repository);
  const running: RunningContender[] = [];
  const startedAt = new Date().toISOString();
  process.stderr.write(`${workload.name}: ${workload.question}\n`);
  let measured: MeasuredRounds;
  try {
    for (const [index, contender] of contenders.entries())
      running.push(await startContender(contender, index, place, context(-1)));
    measured = await measureRounds(running, context, options);
  } finally {
    await Promise.all(running.map((contender) => contender.stop()));
    remove();
    process.off("exit", remove);
  }
  const { columns, disturbed } = measured;
  const figures = workload.figures.map((figure) =>
    compareFigure(figure, columns, `${options.seed}/${workload.name}`),
  );
  const foreign = columns.flatMap(({ rounds }) => rounds.flatMap(foreignCoresOf));
  const cutCount = columns
    .flatMap(({ rounds }) => rounds.flatMap(({ phases }) => Object.values(phases)))
    .filter(({ cut }) => cut).length;
  const compute = running.find((contender) => contender.compute !== undefined)?.compute ?? null;
  printResult(workload, options, compute, figures, foreign, cutCount, skipped);
  const result = {
    workload: workload.name,
    question: workload.question,
    started_at: startedAt,
    quick: options.quick,
    rounds: options.roundCount,
    seed: options.seed,
    source,
    machine,
    compute,
    versions: {
      node: process.version,
      llama_cpp: "v0.5.0",
      node_llama_cpp: "3.22.1",
      ...(python !== null && "versions" in python ? python.versions : {}),
    },
    weights: { shape: options.shape, sha256: await sha256OfFile(model) },
    settings: {
      device: options.device,
      threads: options.threadCount,
      max_step_ms: options.maxStepMs,
      batch_tokens: batchTokenCount,
      micro_batch_tokens: microBatchTokenCount,
      limit_ms: workload.limitMs,
    },
    contenders: contenders.map(({ name, setUp, slotCount, cellCount, contextLength }) => ({
      name,
      set_up: setUp,
      slots: slotCount,
      cells: cellCount,
      context_length: contextLength,
    })),
    ...(skipped.length === 0 ? {} : { skipped_contenders: skipped }),
    foreign_cores: foreign.length === 0 ? null : { median: median(foreign), max: Math.max(...foreign) },
    cut_phases: cutCount,
    figures,
    samples: columns.map((column) => keptOf(workload, column)),
    disturbed_rounds: disturbed.map((round) =>
      Object.fromEntries(Object.entries(round).map(([name, seen]) => [name, workload.kept?.(seen) ?? seen])),
    ),
  };
  const onDevice = options.device === "cpu" ? "" : `-${options.device}`;
  const bound = options.maxStepMs === defaultMaxStepMs ? "" : `-${options.maxStepMs}ms`;
  const ofOwn = options.llamaLibraries === null ? "" : "-compiled";
  const name = `${workload.name}-${options.shape}${onDevice}${ofOwn}${bound}${options.quick ? ".tmp" : ""}.json`;
  mkdirSync(new URL("results/", import.meta.url), { recursive: true });
  writeFileSync(new URL(`results/${name}`, import.meta.url), `${JSON.stringify(result)}\n`);
  process.stderr.write(`\nsamples: bench/results/${name}\n`);
}

function keptOf(workload: Workload, column: Column): Column {
  return { ...column, rounds: column.rounds.map((measured) => workload.kept?.(measured) ?? measured) };
}

function printResult(
  workload: Workload,
  { shape, roundCount, quick, threadCount, device }: Options,
  compute: Compute | null,
  figures: ReturnType<typeof compareFigure>[],
  foreign: readonly number[],
  cutCount: number,
  skipped: readonly { readonly name: string; readonly reason: string }[],
): void {
  const noise =
    foreign.length === 0
      ? "load of others unknown"
      : `others took ${median(foreign).toFixed(2)} cores (median), ${Math.max(...foreign).toFixed(2)} (most)`;
  const lines = [
    "",
    `${workload.name}: shape ${shape}, ${roundCount} rounds, ${threadCount} threads, ${noise}`,
    `device ${device}: ${describeCompute(compute)}`,
    ...(quick ? ["QUICK: shortened, not to be quoted"] : []),
    ...(cutCount > 0 ? [`${cutCount} phases were cut at ${workload.limitMs} ms`] : []),
    ...skipped.map(({ name, reason }) => `${name} was skipped: ${reason}`),
    "Medians with 95 % intervals; the ratio says how many times better the first one is, round by round.",
    "",
    printComparison(figures),
    "",
    "",
  ];
  process.stdout.write(lines.join("\n"));
}

/** A script of the repository that makes something once and prints where it is. */
async function runScript(name: string, args: readonly string[]): Promise<string> {
  const path = fileURLToPath(new URL(`../scripts/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const output = await text(child.stdout);
  await exited;
  if (child.exitCode !== 0) throw new Error(`scripts/${name}.ts ended with ${child.exitCode}`);
  return output.trim();
}

// The targets end with this process, whose end closes their stdin.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main();
