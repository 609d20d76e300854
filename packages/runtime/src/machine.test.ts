import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { allowedProcessors, createForeignLoadMeter, readCpuQuota, readProcessorTimes } from "./machine.ts";

const quotaOf = (files: Readonly<Record<string, string>>) => readCpuQuota((path) => files[path] ?? null);

test("the quota of control groups, version 2, is the tightest on the way to the root", () => {
  assert.equal(
    quotaOf({
      "/proc/self/cgroup": "0::/kubepods/pod1/c1",
      "/sys/fs/cgroup/kubepods/pod1/c1/cpu.max": "max 100000",
      "/sys/fs/cgroup/kubepods/pod1/cpu.max": "250000 100000",
      "/sys/fs/cgroup/kubepods/cpu.max": "600000 100000",
    }),
    2.5,
  );
});

test("in a container, whose own group is the root of the mount, the quota is found as well", () => {
  assert.equal(quotaOf({ "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "150000 100000" }), 1.5);
  assert.equal(
    quotaOf({
      "/proc/self/cgroup": "4:cpu,cpuacct:/docker/abc\n0::/",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    }),
    0.5,
  );
});

test("no quota is no number", () => {
  assert.equal(quotaOf({}), null);
  assert.equal(
    quotaOf({
      "/proc/self/cgroup": "1:cpu:/",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }),
    null,
  );
});

const stat = `cpu  30 0 30 240 0 0 0 0 0 0
cpu0 10 0 10 80 0 0 0 0 0 0
cpu1 5 5 10 70 10 0 0 0 0 0
cpu2 10 0 0 80 0 0 0 10 0 0
intr 1 2 3`;

test("a processor's time is busy unless it was idle or waited for a disk", () => {
  assert.deepEqual(readProcessorTimes(stat, null), { processorCount: 3, total: 300, busy: 60 });
  assert.deepEqual(readProcessorTimes(stat, new Set([1])), { processorCount: 1, total: 100, busy: 20 });
});

test("the processors of a list are its ranges", () => {
  assert.deepEqual([...(allowedProcessors("Name: x\nCpus_allowed_list:\t0-2,7\n") ?? [])], [0, 1, 2, 7]);
  assert.equal(allowedProcessors("Name: x"), null);
});

test("what this process burns itself is not foreign", () => {
  using meter = createForeignLoadMeter();
  const startedAt = performance.now();
  const before = process.cpuUsage();
  while (performance.now() - startedAt < 400);
  const { user, system } = process.cpuUsage(before);
  const own = (user + system) / 1000 / (performance.now() - startedAt);
  const foreign = meter.read();
  // A tick is 10 ms, and both clocks are read one after the other.
  assert.ok(foreign >= 0 && foreign + own <= availableParallelism() + 0.2, `${foreign} beside ${own}`);
});
