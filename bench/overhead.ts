// `npm run bench:overhead`: what the platform costs against a bare `node:http` pipe, in front of the same replica and in
// front of a fixed answer. One interleaved run: the targets take turns, so a machine that changes speed changes all.
// Prints figures and ratios; judges nothing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pairedRatios, roundOf, type Round } from "./overhead-report.ts";
import { median } from "./statistics.ts";
import { startTarget, type Target } from "./targets/target.ts";
import type { LoadResult } from "./overhead-client.ts";
import { oneAtATime, sixteenAtATime, sixtyFourAtATime, type Workload } from "./workloads/overhead.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, save: { type: "boolean", default: false } },
});
const roundCount = Number(values.rounds);

const entry = (name: string) => fileURLToPath(new URL(`targets/${name}.ts`, import.meta.url));

async function measure(
  target: Target,
  workload: Workload,
  more: Readonly<Record<string, string>>,
): Promise<Round> {
  const job = JSON.stringify({ url: target.url, headers: { ...target.headers, ...more }, ...workload });
  const client = spawn(
    process.execPath,
    [fileURLToPath(new URL("overhead-client.ts", import.meta.url)), "--job", job],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let text = "";
  client.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(client, "close");
  const { latenciesMs, wallMs, clientCpuMs, failures } = JSON.parse(text) as LoadResult;
  if (failures.length > 0) throw new Error(`${target.name} failed: ${failures.join("; ")}`);
  return roundOf(latenciesMs, wallMs, clientCpuMs);
}

/** Pipes, then what is compared with them. */
const entries = {
  fixed: { name: "a pipe to a fixed answer", entry: "bare-pipe", flags: [], headers: {} },
  piped: { name: "a pipe to the replica", entry: "piped-replica", flags: [], headers: {} },
  corral: { name: "corral", entry: "corral-fake", flags: [], headers: {} },
  // The run is written down all the same: who called, when, what it used; its output is not.
  unstored: {
    name: "corral, outputs not kept",
    entry: "corral-fake",
    flags: [],
    headers: { "x-corral-store": "false" },
  },
  unrecorded: {
    name: "corral, nothing recorded",
    entry: "corral-fake",
    flags: ["unrecorded"],
    headers: {},
  },
} as const;
type Side = keyof typeof entries;
const sides = Object.keys(entries) as Side[];

const loadBefore = loadavg();
const targets = new Map<string, Target>();
const report: Record<string, unknown>[] = [];
try {
  for (const { name, entry: file, flags } of Object.values(entries)) {
    const key = [file, ...flags].join(" ");
    const args = flags.length === 0 ? [] : ["{}", "--", ...flags];
    if (!targets.has(key)) targets.set(key, await startTarget(name, entry(file), args));
  }
  for (const workload of [oneAtATime, sixteenAtATime, sixtyFourAtATime]) {
    const rounds: Record<Side, Round[]> = { fixed: [], piped: [], corral: [], unstored: [], unrecorded: [] };
    for (let round = 0; round < roundCount; round += 1) {
      const first = round % sides.length;
      for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
        const { entry: file, flags, headers } = entries[side];
        const target = targets.get([file, ...flags].join(" "));
        if (target === undefined) throw new TypeError(`${side} was not started`);
        rounds[side].push(await measure(target, workload, headers));
      }
    }
    const rates = (side: Side) => rounds[side].map((round) => round.callsPerSecond);
    const of = (side: Side, key: "medianMs" | "p95Ms" | "callsPerSecond" | "clientShare") =>
      median(rounds[side].map((round) => round[key]));
    report.push({
      workload: workload.name,
      calls: workload.callCount,
      targets: Object.fromEntries(
        sides.map((side) => [
          side,
          {
            what: entries[side].name,
            calls_per_second: of(side, "callsPerSecond"),
            median_ms: of(side, "medianMs"),
            p95_ms: of(side, "p95Ms"),
            client_share_of_a_core: of(side, "clientShare"),
            ratio_to_piped: pairedRatios(rates(side), rates("piped")),
            ratio_to_fixed: pairedRatios(rates(side), rates("fixed")),
          },
        ]),
      ),
      added_median_ms: of("corral", "medianMs") - of("piped", "medianMs"),
    });
  }
} finally {
  await Promise.all([...targets.values()].map((target) => target.stop()));
}
const result = {
  bench: "overhead",
  rounds: roundCount,
  machine: { cpu: cpus()[0]?.model, cores: availableParallelism(), load_before: loadBefore },
  node: process.version,
  results: report,
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
if (values.save) {
  await mkdir(new URL("results/", import.meta.url), { recursive: true });
  await writeFile(new URL("results/overhead.json", import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
}
