// llama-server with the same threads, context and batch as a replica; its first argument after `--` is the binary, the
// others are the flags of the set-up that is measured.

import { mkdirSync } from "node:fs";
import {
  batchTokenCount,
  deviceEnvironment,
  findFreePort,
  microBatchTokenCount,
  readSettings,
  startServer,
  untilHealthy,
} from "./entry.ts";
import { announce } from "./target.ts";

const { settings, flags } = readSettings();
const [binary = "llama-server", ...setUp] = flags;
const port = await findFreePort();
const url = `http://127.0.0.1:${port}`;
mkdirSync(settings.state, { recursive: true });
const common = {
  "--host": "127.0.0.1",
  "--port": port,
  "--model": settings.model,
  "--threads": settings.threadCount,
  "--threads-batch": settings.threadCount,
  "--ctx-size": settings.cellCount,
  "--parallel": settings.slotCount,
  "--batch-size": batchTokenCount,
  "--ubatch-size": microBatchTokenCount,
  // As a replica does: every layer on the GPU, or none where the binary could use one.
  ...(settings.device === "cpu" ? { "--device": "none" } : { "--n-gpu-layers": "all" }),
  "--slot-save-path": settings.state,
  // Errors only: a log line per request is work that we do not do.
  "--log-verbosity": 1,
};
// Nothing of ours: llama-server reads flags from LLAMA_ARG_ variables as well.
const env = { PATH: process.env["PATH"] ?? "", HOME: settings.state, ...deviceEnvironment() };
startServer(binary, [...Object.entries(common).flat().map(String), ...setUp], env);
await untilHealthy(`${url}/health`, {});
announce({ url: `${url}/completion`, headers: {} });
