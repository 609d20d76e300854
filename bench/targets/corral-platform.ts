// The whole of Corral with a model directory pushed to it, as anybody runs it: gateway, keys, PostgreSQL, replica and
// code worker. What follows `--`: the directory of the model.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { findFreePort, readSettings, startServer, untilHealthy } from "./entry.ts";
import { announce } from "./target.ts";

const [directory = "."] = readSettings().flags;
const home = mkdtempSync(join(tmpdir(), "corral-bench-"));
process.once("exit", () => rmSync(home, { recursive: true, force: true }));
const port = await findFreePort();
const url = `http://127.0.0.1:${port}`;
const corral = fileURLToPath(new URL("../../packages/cli/bin/corral.cjs", import.meta.url));
const env = { PATH: process.env["PATH"] ?? "", HOME: home };
startServer(process.execPath, [corral, "up", "--home", home, "--port", String(port)], env);
await untilHealthy(`${url}/readyz`, {});
const key = readFileSync(join(home, "admin-key"), "utf8").trim();
await promisify(execFile)(process.execPath, [corral, "push", directory, "--name", "echo"], {
  env: { ...env, CORRAL_URL: url, CORRAL_API_KEY: key },
});
announce({ url: `${url}/models/echo/predict`, headers: { authorization: `Api-Key ${key}` } });
