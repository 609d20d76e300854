// A replica with code and no weights, called directly at its own HTTP: what stands where a server of another framework
// does. This process is its platform as far as it needs one: dials the control channel and acknowledges. What follows
// `--`: the language, and the directory of the model.

import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { controlPath, controlProtocol, forwardedHeaders, type ReplicaConfig } from "@corral/contract";
import { findFreePort, readSettings, startServer, untilHealthy } from "./entry.ts";
import { announce } from "./target.ts";

const [kind = "typescript", directory = "."] = readSettings().flags;
const place = mkdtempSync(join(tmpdir(), "corral-bench-"));
process.once("exit", () => rmSync(place, { recursive: true, force: true }));
const token = randomUUID();
const url = `http://127.0.0.1:${await findFreePort()}`;
const headers = { authorization: `Bearer ${token}` };
const isPython = kind === "python";
const python = {
  version: null,
  strict: false,
  requirements: [],
  requirements_file: null,
  external_data: [],
  hub_files: [],
  bundle_digest: "echo",
  home: join(place, "python"),
};
const config: ReplicaConfig = {
  replica_id: "bench",
  deployment_id: "bench",
  deployment_name: "bench",
  model_id: "bench",
  model_name: "bench",
  address: url,
  token,
  code: {
    kind: isPython ? "python" : "typescript",
    directory,
    file: isPython ? "model/model.py" : "model/model.ts",
    ...(isPython ? { class_name: "Model", python } : {}),
    data_directory: "data",
    packages_directory: "packages",
    config: {},
    environment_variables: {},
    secrets: {},
    environment: null,
    hidden_directories: [],
    predict_concurrency: 1,
    limits: {
      memory_bytes: null,
      open_files: 4_096,
      answer_bytes: 16 * 1024 ** 2,
      load_ms: 120_000,
      call_ms: 60_000,
      piece_ms: 60_000,
    },
  },
  precision: "default",
  device: "cpu",
  threads_directory: null,
  prefix_store: null,
  integrity_checks: "never",
  generation_config: {},
  defaults: {},
  limits: {
    context_length: null,
    slot_count: 8,
    cell_count: null,
    max_batch_tokens: 64,
    max_step_ms: 250,
    thread_count: 1,
    queue_length: 256,
    body_bytes: 16 * 1024 ** 2,
    call_caps: {},
  },
  log_level: "error",
};
const configPath = join(place, "replica.json");
writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
const main = fileURLToPath(new URL("../../packages/runtime/src/main.ts", import.meta.url));
startServer(process.execPath, [main, "--config", configPath], {
  PATH: process.env["PATH"] ?? "",
  HOME: place,
  UV_THREADPOOL_SIZE: "1",
});
while (!(await tryDial())) await sleep(20);
await untilHealthy(`${url}/healthz`, headers);
announce({
  url: `${url}/predict`,
  headers: {
    ...headers,
    [forwardedHeaders.dialect]: "baseten",
    [forwardedHeaders.project]: "default",
    [forwardedHeaders.deployment]: "bench",
  },
});

/** Until the replica listens, which is before its code is loaded. */
function tryDial(): Promise<boolean> {
  return new Promise((resolve) => {
    const dialling = request(`${url}${controlPath}`, {
      headers: { ...headers, connection: "Upgrade", upgrade: controlProtocol },
    });
    dialling.once("error", () => resolve(false));
    dialling.once("upgrade", (_response, socket) => {
      socket.on("error", () => undefined);
      let rest = "";
      socket.on("data", (piece: Buffer) => {
        const text = rest + piece.toString("latin1");
        const end = text.lastIndexOf("\n");
        rest = text.slice(end + 1);
        if (end < 0) return;
        // Only the last whole report is looked at: one acknowledgement is for all before it, as the platform's is.
        const last = text.slice(text.lastIndexOf("\n", end - 1) + 1, end);
        const number = /^\{"number":(\d+)/.exec(last)?.[1];
        if (number !== undefined) socket.write(`{"kind":"ack","number":${number}}\n`);
      });
      resolve(true);
    });
    dialling.end();
  });
}
