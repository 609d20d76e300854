import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cpuOfTree,
  cpuUseBetween,
  describeCompute,
  parseBusyMs,
  parseProcessTimes,
  parseResidentBytes,
} from "./machine.ts";

test("a process's name may look like anything", () => {
  const line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 999 0 0";
  assert.deepEqual(parseProcessTimes(line), { parent: 7, cpuMs: 1_270 });
});

test("idle time and waiting for disks are not work", () => {
  assert.equal(parseBusyMs("cpu  10 1 5 1000 500 2 3 4 0 0\ncpu0 1 1 1 1\n"), 250);
});

test("resident memory is read in bytes, and is none where a process has ended", () => {
  assert.equal(parseResidentBytes("Name:\tnode\nVmHWM:\t    9 kB\nVmRSS:\t    3 kB\n"), 3_072);
  assert.equal(parseResidentBytes("Name:\tnode\nState:\tZ (zombie)\n"), 0);
});

test("a tree is a process with everything below it", () => {
  const processes = new Map([
    [1, { parent: 0, cpuMs: 1_000 }],
    [2, { parent: 1, cpuMs: 100 }],
    [3, { parent: 2, cpuMs: 10 }],
    [4, { parent: 1, cpuMs: 1 }],
  ]);
  assert.equal(cpuOfTree(processes, 2), 110);
  assert.equal(cpuOfTree(processes, 9), 0);
});

test("what others took is what was busy and not ours", () => {
  const before = { atMs: 0, busyMs: 500, ownMs: 100, targetMs: 50 };
  const after = { atMs: 1_000, busyMs: 2_000, ownMs: 1_100, targetMs: 950 };
  assert.deepEqual(cpuUseBetween(before, after), { foreignCores: 0.5, targetCpuMs: 900 });
  assert.equal(cpuUseBetween(before, { ...after, ownMs: 1_700 }).foreignCores, 0);
  assert.equal(cpuUseBetween({ ...before, busyMs: null }, after).foreignCores, null);
});

test("a result names what computed, and how much of the model a GPU held", () => {
  const device = { memory_bytes: 2, free_bytes: 1 };
  const cpu = { name: "CPU", description: "A Processor", ...device };
  const gpu = { name: "CUDA0", description: "A GPU", ...device };
  const model = { libraries: "packaged" as const, layer_count: 17, threads: 1 };
  assert.equal(
    describeCompute({ backend: "cpu", devices: [cpu], gpu_layers: 0, ...model }),
    "cpu, CPU A Processor",
  );
  assert.equal(
    describeCompute({ backend: "cuda", devices: [gpu], gpu_layers: 17, ...model }),
    "cuda, CUDA0 A GPU, 17 of 17 layers",
  );
  assert.equal(
    describeCompute({ backend: "cpu", devices: [cpu], gpu_layers: 0, ...model, libraries: "own" }),
    "cpu, CPU A Processor, libraries compiled for this machine",
  );
  assert.equal(describeCompute(null), "as the server chose");
});
