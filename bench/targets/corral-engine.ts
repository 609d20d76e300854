// A replica with real weights, called directly at its own HTTP: runtime and engine, without gateway and database. This
// process is its platform as far as it needs one: dials the control channel, acknowledges, passes load reports on.

import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { controlPath, controlProtocol, type Compute } from "@corral/contract";
import { sha256OfFile } from "@corral/weights";
import {
  batchTokenCount,
  deviceEnvironment,
  findFreePort,
  readSettings,
  startServer,
  untilHealthy,
} from "./entry.ts";
import { replicaConfig } from "./replica-config.ts";
import { announce } from "./target.ts";

const { settings } = readSettings();
const token = randomUUID();
const url = `http://127.0.0.1:${await findFreePort()}`;
const headers = { authorization: `Bearer ${token}` };
const config = replicaConfig({
  address: url,
  token,
  weights: { path: settings.model, sha256: await sha256OfFile(settings.model) },
  device: settings.device,
  ...(settings.llamaLibraries === null ? {} : { library_directory: settings.llamaLibraries }),
  prefix_store: { directory: join(settings.state, "prefixes"), limit_bytes: 4 * 1024 ** 3 },
  limits: {
    context_length: settings.contextLength,
    slot_count: settings.slotCount,
    cell_count: settings.cellCount,
    max_batch_tokens: Math.min(batchTokenCount, settings.cellCount),
    max_step_ms: settings.maxStepMs,
    thread_count: settings.threadCount,
    queue_length: settings.queueLength,
  },
});
mkdirSync(settings.state, { recursive: true });
const configPath = join(settings.state, "replica.json");
writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });

const main = fileURLToPath(new URL("../../packages/runtime/src/main.ts", import.meta.url));
// As the platform starts it.
const env = {
  PATH: process.env["PATH"] ?? "",
  UV_THREADPOOL_SIZE: "1",
  GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
  ...deviceEnvironment(),
};
const found = Promise.withResolvers<Compute | undefined>();
startServer(process.execPath, [main, "--config", configPath], env);
await dial();
await untilHealthy(`${url}/healthz`, headers);
announce({ url: `${url}/predict`, headers, compute: await found.promise });

/** Until the replica listens, which is before its model is loaded. */
async function dial(): Promise<void> {
  while (!(await tryDial())) await sleep(20);
}

function tryDial(): Promise<boolean> {
  return new Promise((resolve) => {
    const dialling = request(`${url}${controlPath}`, {
      headers: { ...headers, connection: "Upgrade", upgrade: controlProtocol },
    });
    dialling.once("error", () => resolve(false));
    dialling.once("upgrade", (_response, socket) => {
      socket.on("error", () => undefined);
      createInterface({ input: socket }).on("line", (line) => {
        // Unchecked, so that reports of any age can be measured.
        const { number, report } = JSON.parse(line) as {
          number: number;
          report: { kind: string; compute?: Compute };
        };
        socket.write(`${JSON.stringify({ kind: "ack", number })}\n`);
        if (report.kind === "ready") found.resolve(report.compute);
        if (report.kind === "load") process.stdout.write(`${JSON.stringify(report)}\n`);
      });
      resolve(true);
    });
    dialling.end();
  });
}
