// The same replica that stands behind the platform in `corral-fake.ts`, behind a bare pipe: what a run costs where nobody
// asks who calls and nobody writes anything down. Its reports are acknowledged as they come.

import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { forwardedHeaders } from "@corral/contract";
import { acknowledgeReports } from "./control-end.ts";
import { startServer } from "./entry.ts";
import { listenAndPipe } from "./pipe.ts";
import { replicaConfig } from "./replica-config.ts";

const directory = mkdtempSync(join(tmpdir(), "corral-bench-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
const socketPath = join(directory, "replica.sock");
const config = replicaConfig({
  address: `unix:${socketPath}`,
  token: randomUUID(),
  weights: { path: "/nowhere", sha256: "0".repeat(64) },
  limits: { slot_count: 64, max_batch_tokens: 512 },
});
const configPath = join(directory, "replica.json");
writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
const main = fileURLToPath(new URL("../../packages/runtime/src/testing/fake-replica.ts", import.meta.url));
startServer(process.execPath, [main, "--config", configPath], {
  PATH: process.env["PATH"] ?? "",
  UV_THREADPOOL_SIZE: "1",
});
await acknowledgeReports({ socketPath });
while (!(await isReady())) await sleep(20);
const told = {
  [forwardedHeaders.dialect]: "baseten",
  [forwardedHeaders.project]: "default",
  [forwardedHeaders.deployment]: "bench",
};
await listenAndPipe(socketPath, () => ({ ...told, [forwardedHeaders.runId]: randomUUID() }));
function isReady(): Promise<boolean> {
  return new Promise((resolve) => {
    request({ socketPath, path: "/healthz" }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    })
      .once("error", () => resolve(false))
      .end();
  });
}
