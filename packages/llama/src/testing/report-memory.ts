// A program: loads a model, opens a context, computes full batches, and writes what llama.cpp says of its buffers and
// what the system says of the process, as one JSON value. A process of its own, because llama.cpp's log goes to the
// standard error, and because a process's memory is what is measured.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { createStepPlan, type ModelRunner } from "@corral/engine";

import { type ContextOptions, loadLlama } from "../index.ts";
import { openLibrary } from "../library.ts";

export interface MemoryQuestion {
  readonly path: string;
  readonly context: ContextOptions;
  /** Whether batches are computed: buffers hold pages only once they were used. */
  readonly computes: boolean;
}

/** Bytes. */
export interface ReportedMemory {
  /** By llama.cpp's words: "CPU_Mapped model", "CPU_REPACK model", "CPU KV", "CPU compute", "CPU output". */
  readonly buffers: Readonly<Record<string, number>>;
  /** Proportional set size of the process: before it opened a library, and at the end. */
  readonly processBytes: number;
  readonly emptyProcessBytes: number;
}

/** Starts the program and reads its answer. */
export async function reportMemory(question: MemoryQuestion): Promise<ReportedMemory> {
  const directory = mkdtempSync(join(tmpdir(), "corral-memory-"));
  // A file: Node makes a pipe non-blocking, and llama.cpp's log then loses lines.
  const logPath = join(directory, "log");
  const log = openSync(logPath, "w");
  try {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(question)], {
      stdio: ["ignore", "pipe", log],
    });
    let out = "";
    child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    const text = readFileSync(logPath, "utf8");
    if (code !== 0) throw new Error(`the program ended with ${code}: ${text.slice(-2000)}`);
    return { buffers: bufferSizes(text), ...JSON.parse(out) };
  } finally {
    closeSync(log);
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * `llama_kv_cache:        CPU KV buffer size =   16.00 MiB`, the last of a name: what was loaded only to be rewritten comes
 * before. That of the computation is written with more digits at the end.
 */
export function bufferSizes(log: string): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const [, name = "", number = ""] of log.matchAll(/:\s+(\S+\s+\w+) buffer size =\s+([\d.]+) MiB/g)) {
    sizes[name.replace(/\s+/, " ")] = mebibytes(number);
  }
  for (const [, name = "", number = ""] of log.matchAll(/:\s+(\S+) compute buffer size is\s+([\d.]+) MiB/g)) {
    sizes[`${name} compute`] = mebibytes(number);
  }
  return sizes;
}

const mebibytes = (text: string) => Math.round(Number(text) * 1024 ** 2);

async function answer({ path, context, computes }: MemoryQuestion): Promise<void> {
  const emptyProcessBytes = processBytes();
  openLibrary().abi.llama_log_set(null, null);
  using llama = await loadLlama({ path, float32Weights: context.precision === "reference" });
  using runner = await llama.createRunner(context);
  if (computes) await computeFully(runner);
  process.stdout.write(JSON.stringify({ processBytes: processBytes(), emptyProcessBytes }));
}

/** One prompt that fills the cells, the last batch with as many rows of outputs as there may be. */
async function computeFully(runner: ModelRunner): Promise<void> {
  const { maxBatchTokenCount, maxRowCount, contextLength } = runner.limits;
  for (let start = 0; start < contextLength; start += maxBatchTokenCount) {
    const count = Math.min(maxBatchTokenCount, contextLength - start);
    const tokens = Array.from({ length: count }, (_, index) => 3 + ((start + index) % 200));
    const isLast = start + count === contextLength;
    const outputs = isLast ? tokens.map((_, index) => index).slice(-maxRowCount) : [];
    await runner.decode(createStepPlan([{ slot: 0, start, tokens, outputs }]));
  }
}

function processBytes(): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await answer(JSON.parse(process.argv[2] ?? ""));
