// `npm run bench:frameworks`: an echo model in Corral, in TypeScript and in Python, against the servers of other
// frameworks. One interleaved run: in each round every contender has its turn, so a machine that changes speed changes
// all. Prints figures and ratios; judges nothing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { forwardedHeaders } from "@corral/contract";
import type { EchoJob, EchoResult } from "./echo-client.ts";
import { findFrameworks, type Contender } from "./framework-contenders.ts";
import { echoRoundOf, ratiosTo, summarise, type EchoRound } from "./frameworks-report.ts";
import { cpuUseBetween, describeCommit, describeMachine, readCpuTimes, untilQuiet } from "./machine.ts";
import { startTarget, type Target } from "./targets/target.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "3" },
    only: { type: "string", multiple: true, default: [] },
    "max-foreign": { type: "string", default: "Infinity" },
    save: { type: "boolean", default: false },
  },
});
const roundCount = Number(values.rounds);
const measureMs = Number(values.seconds) * 1_000;
const maxForeignCores = Number(values["max-foreign"]);
const connectionCounts = [1, 32];
/** The server in whose place ours stands. */
const peer = "truss";

const body = JSON.stringify({ text: "hello", numbers: [1, 2.5, 3], nested: { yes: true, no: null } });
/** Both `{"text":"hello"` and `{"text": "hello"` have it. */
const expected = '"hello"';

const { contenders, missing: unfound } = await findFrameworks(process.env);
const missing: Record<string, string> = { ...unfound };
for (const [name, why] of Object.entries(missing)) process.stderr.write(`${name} is left out: ${why}\n`);
const chosen = contenders.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
const machine = describeMachine();
const commit = describeCommit(fileURLToPath(new URL("..", import.meta.url)));

interface Running {
  readonly contender: Contender;
  readonly target: Target;
}
const running: Running[] = [];
const rounds = new Map<string, EchoRound[]>();
try {
  for (const contender of chosen) {
    process.stderr.write(`starting ${contender.name}\n`);
    const entry = fileURLToPath(new URL(`targets/${contender.entry}.ts`, import.meta.url));
    const target = await startTarget(contender.name, entry, ["{}", "--", ...contender.flags]).catch(
      (error: Error) => error.message,
    );
    if (typeof target === "string") {
      missing[contender.name] = target;
      continue;
    }
    running.push({ contender, target });
    // What a just-in-time compiler and pools of connections need to have seen, once.
    for (const connectionCount of connectionCounts)
      await measure({ contender, target }, connectionCount, 1_000);
  }
  for (let round = 0; round < roundCount; round += 1) {
    for (const connectionCount of connectionCounts) {
      const first = round % running.length;
      for (const turn of [...running.slice(first), ...running.slice(0, first)]) {
        if (maxForeignCores < Infinity) await untilQuiet(maxForeignCores);
        const measured = await measure(turn, connectionCount, measureMs);
        const key = keyOf(turn.contender.name, connectionCount);
        rounds.set(key, [...(rounds.get(key) ?? []), measured]);
        process.stderr.write(
          `  round ${round + 1}/${roundCount}  ${connectionCount} connections  ${turn.contender.name}  ${Math.round(measured.callsPerSecond)} calls/s  p99 ${measured.p99Ms.toFixed(2)} ms, others ${measured.foreignCores ?? "?"} cores\n`,
        );
      }
    }
  }
} finally {
  await Promise.all(running.map(({ target }) => target.stop()));
}
const results = connectionCounts.map((connectionCount) => {
  const of = (name: string) => rounds.get(keyOf(name, connectionCount)) ?? [];
  return {
    connections: connectionCount,
    contenders: running.map(({ contender: { name, versions } }) => ({
      name,
      versions,
      ...summarise(of(name)),
      ...(of(peer).length === 0 ? {} : { ratio_to_truss: ratiosTo(of(name), of(peer)) }),
      rounds: of(name),
    })),
  };
});
const result = {
  bench: "frameworks",
  command: `npm run bench:frameworks -- ${process.argv.slice(2).join(" ")}`.trim(),
  commit,
  machine,
  node: process.version,
  body,
  rounds: roundCount,
  measure_ms: measureMs,
  missing,
  results,
};
for (const { connections, contenders: rows } of results) {
  process.stdout.write(`\n${connections} connection${connections === 1 ? "" : "s"}\n`);
  for (const {
    name,
    calls_per_second: rate,
    p99_ms: p99,
    cpu_ms_per_call: cpu,
    ratio_to_truss: ratio,
  } of rows) {
    const against =
      ratio === undefined
        ? ""
        : `   ${ratio.median.toFixed(2)} x truss (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`;
    process.stdout.write(
      `  ${name.padEnd(28)} ${rate.toFixed(0).padStart(7)} calls/s   p99 ${p99.toFixed(2).padStart(7)} ms   cpu ${cpu.toFixed(3)} ms${against}\n`,
    );
  }
}
if (values.save) {
  await mkdir(new URL("results/", import.meta.url), { recursive: true });
  await writeFile(
    new URL("results/frameworks.json", import.meta.url),
    `${JSON.stringify(result, null, 2)}\n`,
  );
}

function keyOf(name: string, connectionCount: number): string {
  return `${name} ${connectionCount}`;
}

async function measure(
  { contender, target }: Running,
  connectionCount: number,
  forMs: number,
): Promise<EchoRound> {
  const job: EchoJob = {
    url: target.url,
    headers: target.headers,
    uuidHeader: contender.isReplica ? forwardedHeaders.runId : null,
    body,
    expected,
    connectionCount,
    warmupMs: Math.min(500, forMs / 4),
    measureMs: forMs,
  };
  const before = readCpuTimes(process.pid, target.pid);
  const client = spawn(
    process.execPath,
    [fileURLToPath(new URL("echo-client.ts", import.meta.url)), "--job", JSON.stringify(job)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  client.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(client, "close")) as [number | null];
  if (code !== 0) throw new Error(`${contender.name}: the client ended with ${code}`);
  const used = cpuUseBetween(before, readCpuTimes(process.pid, target.pid));
  return echoRoundOf(JSON.parse(text) as EchoResult, used);
}
