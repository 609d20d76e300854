// `npm run bench:overhead`: what gateway + replica cost against a bare `node:http` pipe. One interleaved run:
// the two targets take turns, so a machine that changes speed changes both. Prints figures and ratios; judges nothing.

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
import { oneAtATime, sixteenAtATime, type Workload } from "./workloads/overhead.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, save: { type: "boolean", default: false } },
});
const roundCount = Number(values.rounds);

const entry = (name: string) => fileURLToPath(new URL(`targets/${name}.ts`, import.meta.url));

async function measure(
  target: Target,
  workload: Workload,
  more: Record<string, string> = {},
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

const loadBefore = loadavg();
const bare = await startTarget("bare pipe", entry("bare-pipe"));
const corral = await startTarget("corral", entry("corral-fake"));
const report: Record<string, unknown>[] = [];
try {
  for (const workload of [oneAtATime, sixteenAtATime]) {
    const rounds: Record<"bare" | "corral" | "unstored", Round[]> = { bare: [], corral: [], unstored: [] };
    for (let round = 0; round < roundCount; round += 1) {
      rounds.bare.push(await measure(bare, workload));
      rounds.corral.push(await measure(corral, workload));
      rounds.unstored.push(await measure(corral, workload, { "x-corral-store": "false" }));
    }
    const rate = (side: Round[]) => side.map((round) => round.callsPerSecond);
    const latency = (side: Round[]) => side.map((round) => round.medianMs);
    report.push({
      workload: workload.name,
      calls: workload.callCount,
      bare: { calls_per_second: median(rate(rounds.bare)), median_ms: median(latency(rounds.bare)) },
      corral: { calls_per_second: median(rate(rounds.corral)), median_ms: median(latency(rounds.corral)) },
      ratio_calls_per_second: pairedRatios(rate(rounds.corral), rate(rounds.bare)),
      // The run is written down all the same: who called, when, what it used; its output is not.
      ratio_without_outputs: pairedRatios(rate(rounds.unstored), rate(rounds.bare)),
      added_median_ms: median(latency(rounds.corral)) - median(latency(rounds.bare)),
      corral_p95_ms: median(rounds.corral.map((round) => round.p95Ms)),
      bare_p95_ms: median(rounds.bare.map((round) => round.p95Ms)),
      client_share_of_a_core: median([...rounds.bare, ...rounds.corral].map((round) => round.clientShare)),
    });
  }
} finally {
  await Promise.all([bare.stop(), corral.stop()]);
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
