// `npm run record:memory`: loads models of many shapes and writes what llama.cpp says of its buffers and what the system
// says of a replica, for the tests of "will it fit". Takes minutes, and the memory of the largest model.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { CacheType, Precision } from "@corral/contract";
import { reportMemory } from "@corral/llama/testing";
import { measureReplica } from "@corral/runtime/testing";
import { builtInModelsDirectory, checkGguf, processorOf } from "@corral/weights";
import {
  recordHeader,
  type MemoryRecord,
  type MemoryRecording,
  type RecordedRun,
} from "@corral/weights/testing";
import { benchHome } from "./corral-home.ts";
import { makeRandomLlama, type RandomFileType } from "./random-llama/make.ts";
import { shapes, type ShapeName } from "./random-llama/shape.ts";

interface Run {
  readonly precision?: Precision;
  readonly cacheType?: CacheType;
  readonly cellCount: number;
  readonly slotCount?: number;
  readonly maxBatchTokenCount?: number;
  /** Whether a replica is started, too. */
  readonly replica?: boolean;
}

const target = fileURLToPath(new URL("../packages/weights/test-data/memory.json.gz", import.meta.url));

const tinyRuns: readonly Run[] = [
  { cellCount: 1024, replica: true },
  { cellCount: 256, slotCount: 3, maxBatchTokenCount: 64 },
  { cellCount: 1024, precision: "reference", replica: true },
];
const runs: readonly Run[] = [
  { cellCount: 2048, replica: true },
  { cellCount: 8192, slotCount: 64 },
  { cellCount: 1024, maxBatchTokenCount: 64, slotCount: 1 },
  { cellCount: 2048, cacheType: "q8_0", replica: true },
  { cellCount: 2048, precision: "reference" },
];
const random: readonly (readonly [ShapeName, RandomFileType])[] = [
  ["wide", "f16"],
  ["small", "q4_0"],
  ["small", "q4_k_m"],
  ["1b", "q4_0"],
];

const wanted = process.argv.slice(2);
const models: MemoryRecord[] = [];
for (const name of ["corral-tiny-2", "corral-tiny-3"]) {
  await record(name, join(builtInModelsDirectory, name, `${name}-f16.gguf`), tinyRuns);
}
for (const [name, fileType] of random) {
  const model = `${name}-${fileType}`;
  const path = join(benchHome(), "models", `${model}-1.gguf`);
  if (!isWanted(model)) continue;
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    await makeRandomLlama({ name, shape: shapes[name], seed: 1, fileType, path });
  }
  await record(model, path, runs);
}
const cpuInfo = readFileSync("/proc/cpuinfo", "utf8");
const recording: MemoryRecording = {
  recordedBy: "scripts/record-memory.ts",
  llamaCpp: "v0.5.0",
  node: process.version,
  processor: cpus()[0]?.model ?? "?",
  architecture: process.arch,
  features: [...processorOf(process.arch, cpuInfo).features],
  models,
};
if (wanted.length === 0) {
  writeFileSync(target, gzipSync(JSON.stringify(recording), { level: 9 }));
  process.stdout.write(`${target}\n`);
} else process.stdout.write(`${JSON.stringify(recording)}\n`);

/** Without names all models are recorded, and the file is written. */
function isWanted(model: string): boolean {
  return wanted.length === 0 || wanted.includes(model);
}

async function record(model: string, path: string, wantedRuns: readonly Run[]): Promise<void> {
  if (!isWanted(model)) return;
  const done: RecordedRun[] = [];
  for (const run of wantedRuns) done.push(await recordRun(model, path, run));
  models.push({ model, header: recordHeader(await checkGguf(path)), runs: done });
}

async function recordRun(model: string, path: string, run: Run): Promise<RecordedRun> {
  const { precision = "default", cellCount, slotCount = 8, maxBatchTokenCount = 512 } = run;
  const isReference = precision === "reference";
  const cacheType = run.cacheType ?? (isReference ? "f32" : "f16");
  const microBatchTokenCount = isReference ? Math.min(128, maxBatchTokenCount) : maxBatchTokenCount;
  const context = { slotCount, cellCount, maxBatchTokenCount, microBatchTokenCount, precision, cacheType };
  const { buffers } = await reportMemory({ path, context: { ...context, threadCount: 1 }, computes: false });
  const replica =
    run.replica === true
      ? await measureReplica(path, {
          precision,
          cache_type: cacheType,
          limits: {
            context_length: cellCount,
            cell_count: cellCount,
            slot_count: slotCount,
            max_batch_tokens: maxBatchTokenCount,
          },
        })
      : null;
  process.stderr.write(`${model} ${JSON.stringify({ ...context, buffers, replica })}\n`);
  const replicaBytes = replica === null ? {} : { replicaBytes: replica.busyBytes };
  return { precision, cacheType, cellCount, slotCount, maxBatchTokenCount, buffers, ...replicaBytes };
}
