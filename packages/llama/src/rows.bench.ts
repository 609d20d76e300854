// What rows of a step cost: `UV_THREADPOOL_SIZE=1 node packages/llama/src/rows.bench.ts MODEL.gguf`. CPU time in turns,
// least and most of three rounds, and the memory that contexts reserve.

import { readFileSync } from "node:fs";
import { createStepPlan, type PlanEntry } from "@corral/engine";
import { loadLlama } from "./index.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("Name a model: rows.bench.ts MODEL.gguf");
const options = { slotCount: 8, cellCount: 4096, maxBatchTokenCount: 512, threadCount: 2 };
const tokenCount = 64;
const roundCount = 3;

const text = Array.from({ length: tokenCount }, (_, index) => index + 1);
const all = [...text.keys()];
const embedded = { slot: 0, start: 0, tokens: text, outputs: all, outputKind: "embedding" } as const;
const cases: ReadonlyMap<string, readonly PlanEntry[]> = new Map([
  [`${tokenCount} tokens without rows`, [{ ...embedded, outputs: [] }]],
  ["with logits", [{ ...embedded, outputKind: "logits" }]],
  ["with embeddings", [embedded]],
  ["with the last one's embedding", [{ ...embedded, outputs: [tokenCount - 1] }]],
  [
    "with embeddings, beside one token of another sequence",
    [embedded, { slot: 1, start: 0, tokens: [1], outputs: [0] }],
  ],
]);

function reservedMebibytes(): number {
  const [, kibibytes] = /VmData:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Math.round(Number(kibibytes) / 1024);
}

using llama = await loadLlama({ path });
const before = reservedMebibytes();
using runner = await llama.createRunner(options);
console.log(`a context reserves ${reservedMebibytes() - before} MiB`);
const samples = new Map([...cases.keys()].map((name) => [name, [] as number[]]));
for (let round = 0; round < roundCount; round += 1) {
  for (const [name, entries] of cases) {
    const start = process.cpuUsage();
    await runner.decode(createStepPlan(entries));
    const { user, system } = process.cpuUsage(start);
    samples.get(name)!.push((user + system) / 1000);
    for (const { slot } of entries) runner.removeSequence(slot);
  }
}
for (const [name, times] of samples)
  console.log(`${name}: ${Math.round(Math.min(...times))}-${Math.round(Math.max(...times))} ms`);
const beforeSecond = reservedMebibytes();
using second = await llama.createRunner(options);
console.log(
  `a second context of ${second.limits.cellCount} cells reserves ${reservedMebibytes() - beforeSecond} MiB`,
);
