// `npm run bench:memory`: resident memory of Corral's processes while an echo model answers many calls through the whole
// platform. Prints it as calls go on; judges nothing.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { descendants, platformProcess, replicaProcess } from "../e2e/processes.ts";
import type { EchoJob, EchoResult } from "./echo-client.ts";
import { startTarget } from "./targets/target.ts";

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "200000" },
    connections: { type: "string", default: "32" },
    /** Of calls between two looks. */
    seconds: { type: "string", default: "10" },
  },
});
const wantedCount = Number(values.calls);

const kinds: Readonly<Record<string, RegExp>> = {
  platform: platformProcess,
  replica: replicaProcess,
  worker: /code-worker\/typescript\/main\.ts/,
};

/** MiB by kind of process. */
async function residentMemory(pid: number): Promise<Record<string, number>> {
  const found = await descendants(pid);
  const memory: Record<string, number> = {};
  for (const [kind, pattern] of Object.entries(kinds)) {
    for (const process of found.filter(({ command }) => pattern.test(command))) {
      const status = await readFile(`/proc/${process.pid}/status`, "utf8").catch(() => "");
      memory[kind] = (memory[kind] ?? 0) + Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1_024;
    }
  }
  return memory;
}

async function call(job: EchoJob): Promise<EchoResult> {
  const client = fileURLToPath(new URL("echo-client.ts", import.meta.url));
  const child = spawn(process.execPath, [client, "--job", JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(child, "close");
  return JSON.parse(text) as EchoResult;
}

const echo = fileURLToPath(new URL("targets/echo/typescript", import.meta.url));
const target = await startTarget(
  "platform",
  fileURLToPath(new URL("targets/corral-platform.ts", import.meta.url)),
  ["{}", "--", echo],
);
try {
  let callCount = 0;
  const print = async () => {
    const memory = await residentMemory(target.pid);
    const told = Object.entries(memory).map(([kind, mebibytes]) => `${kind} ${mebibytes.toFixed(0)} MiB`);
    process.stdout.write(`${String(callCount).padStart(7)} calls  ${told.join("  ")}\n`);
  };
  await print();
  while (callCount < wantedCount) {
    const result = await call({
      url: target.url,
      headers: target.headers,
      uuidHeader: null,
      body: JSON.stringify({ text: "hello" }),
      expected: '"hello"',
      connectionCount: Number(values.connections),
      warmupMs: 0,
      measureMs: Number(values.seconds) * 1_000,
    });
    callCount += result.callCount;
    await print();
  }
} finally {
  await target.stop();
}
