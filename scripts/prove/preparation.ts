// A Hugging Face directory of a real model's shape, converted and quantised by the process that prepares weights: its
// peak memory after each stage, its processor seconds, and that none of it grows with the model.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { preparationMessageSchema, type PreparationConfig } from "@corral/contract";
import { repository } from "../repository.ts";
import { makeLlamaDirectory } from "./llama-directory.ts";

/** Most resident memory that the whole preparation may take. */
const memoryTargetBytes = 1_200_000_000;
const neededBytes = 9e9;
const main = join(repository, "packages/runtime/src/preparation/main.ts");

const recipes = ["q4_0", "q4_k_m"] as const;

/** Needs room in the system's temporary directory; `TMPDIR` says where. @param only one of the recipes; default: all */
export async function provePreparation(only?: string): Promise<void> {
  const asked = recipes.filter((recipe) => only === undefined || recipe === only);
  if (asked.length === 0) throw new Error(`${only} is none of the recipes ${recipes.join(", ")}`);
  const { bavail, bsize } = statfsSync(tmpdir());
  if (bavail * bsize < neededBytes)
    throw new Error(`${tmpdir()} has ${gigabytes(bavail * bsize)} free; it needs ${gigabytes(neededBytes)}`);
  const folder = mkdtempSync(join(tmpdir(), "corral-prove-"));
  try {
    console.log(`making the source in ${folder}`);
    const source = await makeLlamaDirectory("1b", join(folder, "Proof-Llama"));
    for (const quantization of asked) {
      const peakBytes = await prepare(folder, {
        source: { kind: "directory", path: source },
        recipe: { quantization },
        target: join(folder, `${quantization}.gguf`),
        thread_count: availableParallelism(),
      });
      const isBelow = peakBytes < memoryTargetBytes;
      console.log(`${quantization}: peak under ${gigabytes(memoryTargetBytes)}: ${isBelow ? "yes" : "NO"}`);
      if (!isBelow) process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Gives the peak of its resident memory. */
async function prepare(folder: string, config: PreparationConfig): Promise<number> {
  const configPath = join(folder, "config.json");
  writeFileSync(configPath, JSON.stringify(config));
  const child = spawn(process.execPath, [main, "--config", configPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const started = performance.now();
  let stage = "";
  let stageStarted = started;
  let usage = { peakBytes: 0, processorSeconds: 0 };
  const watch = setInterval(() => (usage = readUsage(child.pid) ?? usage), 50);
  const report = () => {
    const seconds = ((performance.now() - stageStarted) / 1_000).toFixed(1);
    if (stage !== "")
      console.log(`  ${stage.padEnd(11)}${seconds} s, peak so far ${gigabytes(usage.peakBytes)}`);
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const message = preparationMessageSchema.parse(JSON.parse(line));
    const next = message.kind === "progress" ? message.stage : message.kind === "warning" ? stage : "";
    if (next !== stage) {
      report();
      stage = next;
      stageStarted = performance.now();
    }
    if (message.kind === "failed") throw new Error(message.detail);
    if (message.kind === "ready") console.log(`  ${gigabytes(message.bytes)} at ${message.path}`);
  }
  clearInterval(watch);
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  console.log(`  ${seconds} s in all, ${usage.processorSeconds.toFixed(1)} s of processors`);
  return usage.peakBytes;
}

/** Of a process and its threads, as far as it still runs. */
function readUsage(pid: number | undefined): { peakBytes: number; processorSeconds: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(status) ?? [];
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (kibibytes === undefined) return null;
    // The clock of these fields ticks a hundred times a second on Linux.
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { peakBytes: Number(kibibytes) * 1024, processorSeconds: ticks / 100 };
  } catch {
    return null;
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
