// A server of a Python framework with the echo model, in the way its documentation starts it. What follows `--`: the
// framework, and a Python that has it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findFreePort, readSettings, startServer, untilHealthy } from "./entry.ts";
import { announce } from "./target.ts";

/** Where each answers, and where it says that it can. */
const paths: Readonly<Record<string, readonly [predict: string, ready: string]>> = {
  truss: ["/v1/models/model:predict", "/v1/models/model/loaded"],
  litserve: ["/predict", "/health"],
  bentoml: ["/predict", "/readyz"],
  fastapi: ["/predict", "/openapi.json"],
};

const [framework = "", python = "python3"] = readSettings().flags;
const [predict, ready] = paths[framework] ?? ["/", "/"];
const place = mkdtempSync(join(tmpdir(), "corral-bench-"));
process.once("exit", () => rmSync(place, { recursive: true, force: true }));
const port = await findFreePort();
const url = `http://127.0.0.1:${port}`;
const server = fileURLToPath(new URL(`echo/${framework}_server.py`, import.meta.url));
// Commands of the Python's own packages are found beside it.
const env = {
  PATH: `${dirname(python)}:${process.env["PATH"] ?? ""}`,
  HOME: place,
  BENTOML_DO_NOT_TRACK: "True",
};
startServer(python, [server, String(port), join(place, "app")], env);
await untilHealthy(`${url}${ready}`, {});
announce({ url: `${url}${predict}`, headers: {} });
