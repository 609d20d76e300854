// A replica with code and no weights, called directly at its own HTTP: what stands where a server of another framework
// does. This process is its platform as far as it needs one: dials the control channel and acknowledges. What follows
// `--`: the language, and the directory of the model.

import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { forwardedHeaders } from "@corral/contract";
import { acknowledgeReports } from "./control-end.ts";
import { findFreePort, readSettings, startServer, untilHealthy } from "./entry.ts";
import { replicaConfig } from "./replica-config.ts";
import { announce } from "./target.ts";

const [kind = "typescript", directory = "."] = readSettings().flags;
const place = mkdtempSync(join(tmpdir(), "corral-bench-"));
process.once("exit", () => rmSync(place, { recursive: true, force: true }));
const token = randomUUID();
const port = await findFreePort();
const url = `http://127.0.0.1:${port}`;
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
const config = replicaConfig({
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
  limits: { slot_count: 8, max_batch_tokens: 64 },
});
const configPath = join(place, "replica.json");
writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
const main = fileURLToPath(new URL("../../packages/runtime/src/main.ts", import.meta.url));
startServer(process.execPath, [main, "--config", configPath], {
  PATH: process.env["PATH"] ?? "",
  HOME: place,
  UV_THREADPOOL_SIZE: "1",
});
await acknowledgeReports({ port, headers });
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
