import assert from "node:assert/strict";
import { test } from "node:test";
import { readFreeMemory } from "./free-memory.ts";

const mebibyte = 1024 ** 2;
const reader = (files: Readonly<Record<string, string>>) => (path: string) => files[path] ?? null;
const machine = { "/proc/meminfo": `MemTotal: 4096000 kB\nMemAvailable:    2048000 kB\n` };

test("what Linux calls available is free", () => {
  assert.equal(readFreeMemory(reader(machine)), 2_048_000 * 1024);
});

test("a group's limit counts, with the files it keeps in memory as free", () => {
  const group = {
    ...machine,
    "/proc/self/cgroup": "0::/user/corral\n",
    "/sys/fs/cgroup/user/corral/memory.max": "max\n",
    "/sys/fs/cgroup/user/corral/memory.current": "1\n",
    "/sys/fs/cgroup/user/memory.max": `${1000 * mebibyte}\n`,
    "/sys/fs/cgroup/user/memory.current": `${900 * mebibyte}\n`,
    "/sys/fs/cgroup/user/memory.stat": `active_file ${200 * mebibyte}\ninactive_file ${100 * mebibyte}\n`,
  };
  assert.equal(readFreeMemory(reader(group)), 400 * mebibyte);
});

test("version 1 of control groups is read, too, and its largest number is no limit", () => {
  const files = {
    ...machine,
    "/proc/self/cgroup": "5:cpu:/x\n4:memory:/box\n",
    "/sys/fs/cgroup/memory/box/memory.limit_in_bytes": String(500 * mebibyte),
    "/sys/fs/cgroup/memory/box/memory.usage_in_bytes": String(600 * mebibyte),
    "/sys/fs/cgroup/memory/box/memory.stat": `active_file 7\ntotal_inactive_file ${100 * mebibyte}\ntotal_active_file ${50 * mebibyte}\n`,
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
  };
  assert.equal(readFreeMemory(reader(files)), 50 * mebibyte);
});

test("where nothing tells, nothing is known", () => {
  assert.equal(readFreeMemory(reader({})), null);
});
