import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Caller, CallRecord } from "./call.ts";
import { roundContext, type Contender, type Workload } from "./workload.ts";
import { workloads } from "./workloads.ts";
import { beams } from "./workloads/beams.ts";

const vocabularySize = 32_000;
const callersOf = ({ name }: Workload, contender: Contender, round = 0): readonly Caller[] =>
  contender
    .phases(roundContext(1, name, round, vocabularySize))
    .flatMap((phase) => (phase.kind === "calls" ? phase.callers : []));

for (const workload of workloads) {
  describe(workload.name, () => {
    for (const quick of [false, true]) {
      const contenders = workload.contenders({ quick });

      test(`${quick ? "quick: " : ""}every contender has room for each of its sequences`, () => {
        for (const contender of contenders) {
          assert.ok(contender.slotCount <= 256);
          for (const { turns } of callersOf(workload, contender)) {
            let length = 0;
            for (const { ids, newTokenCount, startsAnew = false } of turns) {
              length = (startsAnew ? 0 : length) + ids.length + newTokenCount;
              assert.ok(length <= contender.contextLength, `${length} in ${contender.contextLength}`);
            }
            for (const { sampleCount, beamCount = 1 } of turns)
              assert.ok(sampleCount * beamCount <= contender.slotCount);
          }
        }
      });

      test(`${quick ? "quick: " : ""}contenders get equal prompts, and a round new ones`, () => {
        const [first, ...others] = contenders;
        assert.ok(first !== undefined);
        const prompts = (contender: Contender, round: number) =>
          callersOf(workload, contender, round).map(({ turns }) => turns.map(({ ids }) => ids));
        for (const other of others) {
          // The same ids at the beginning: a contender that does without a restart has fewer calls.
          assert.deepEqual(
            prompts(other, 0)[0]?.[0]?.slice(0, 100),
            prompts(first, 0)[0]?.[0]?.slice(0, 100),
          );
        }
        assert.notDeepEqual(prompts(first, 0), prompts(first, 1));
        assert.deepEqual(prompts(first, 0), prompts(first, 0));
      });
    }

    test("names are those of files and figures", () => {
      assert.match(workload.name, /^[a-z0-9-]+$/);
      assert.ok(workload.figures.length > 0);
      const names = workload.contenders({ quick: false }).map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      assert.ok(names[0]?.startsWith("corral-engine"));
    });
  });
}

test("workloads have names of their own", () => {
  assert.equal(new Set(workloads.map(({ name }) => name)).size, workloads.length);
});

test("time beside decode is what grew between two load reports, or is skipped with the reason", () => {
  const hostTime = workloads.find(({ name }) => name === "host-time");
  const report = (hostSeconds: number, decodeSeconds: number) => ({
    statistics: { counters: { host_seconds: hostSeconds, decode_seconds: decodeSeconds } },
  });
  const value = (before: object, after: object) =>
    hostTime?.figures[0]?.value({
      phases: {},
      cpu: {},
      loads: { greedy: { before: { ...before }, after: { ...after } } },
    });
  assert.equal(value(report(1, 10), report(1.5, 20)), 5);
  assert.match(JSON.stringify(value({}, {})), /tells host_seconds/);
  assert.match(JSON.stringify(value(report(1, 10), report(1, 10))), /did not grow/);
});

test("of a beam search the positions of all beams count, and time beside decode for each step", () => {
  const counters = (hostSeconds: number, decodeSeconds: number, steps: number) => ({
    statistics: { counters: { host_seconds: hostSeconds, decode_seconds: decodeSeconds, steps } },
  });
  const call = { generatedTokens: 64 } as CallRecord;
  const result = { wallMs: 8_000, clientCpuMs: 0, cut: false, calls: [call], failures: [] };
  const valuesOf = (phase: string) =>
    beams.figures.map((figure) =>
      figure.value({
        phases: { [phase]: result },
        cpu: { [phase]: { foreignCores: 0, targetCpuMs: 15_000 } },
        loads: { [phase]: { before: counters(1, 10, 100), after: counters(1.25, 20, 200) } },
      }),
    );
  assert.deepEqual(valuesOf("beams"), [8_000, 32, 15_000, 2.5, 2.5]);
  assert.deepEqual(valuesOf("one sequence"), [8_000, 8, 15_000, 2.5, 2.5]);
});
