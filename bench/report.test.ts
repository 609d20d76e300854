import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoadResult } from "./call.ts";
import { compareFigure, printComparison, type Column } from "./report.ts";
import { wallTime } from "./figures.ts";
import type { Figure, Measured } from "./workload.ts";

const took = (wallMs: number): Measured => {
  const phase: LoadResult = { wallMs, clientCpuMs: 0, cut: false, calls: [], failures: [] };
  return { phases: { phase }, loads: {}, cpu: {} };
};
const column = (contender: string, ...times: number[]): Column => ({ contender, rounds: times.map(took) });
const faster = wallTime("phase", "time");

test("a ratio is taken round by round and says how many times better the first one is", () => {
  const columns = [column("ours", 10, 100, 1_000), column("peer", 20, 200, 2_000)];
  const { contenders } = compareFigure(faster, columns, "seed");
  assert.deepEqual(contenders[0]?.ratio, null);
  assert.deepEqual(contenders[1]?.ratio, { median: 2, low: 2, high: 2 });
  const higher: Figure = { ...faster, better: "higher" };
  assert.equal(compareFigure(higher, columns, "seed").contenders[1]?.ratio?.median, 0.5);
});

test("a contender without a value is named with the reason and compared with nobody", () => {
  const figure: Figure = {
    ...faster,
    value: ({ phases }) => (phases["phase"]?.wallMs === 0 ? { skipped: "it cannot" } : 1),
  };
  const columns = [column("ours", 0, 1), column("peer", 1, 1)];
  const report = compareFigure(figure, columns, "seed");
  assert.deepEqual(report.contenders[0]?.values, []);
  assert.equal(report.contenders[1]?.ratio, null);
  assert.match(printComparison([report]), /ours +skipped: it cannot/);
});

test("the peer that is hardest to beat is marked", () => {
  const columns = [column("ours", 10, 10), column("slow", 40, 40), column("fast", 9, 9)];
  const text = printComparison([compareFigure(faster, columns, "seed")]);
  const marked = text.split("\n").filter((line) => line.endsWith("← hardest"));
  assert.equal(marked.length, 1);
  assert.match(marked[0]!, /fast .*0\.90 × \[0\.90, 0\.90\]/);
});
