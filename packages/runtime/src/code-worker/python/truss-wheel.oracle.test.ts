// The test trusses that the wheel of Truss ships, side by side: the real Truss server as a plain process, and our worker
// on the same directory. Statuses, headers that carry meaning, and bodies of the same calls are the same.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { asTrussAnswers, type WireAnswer } from "./testing/as-truss-answers.ts";
import { startPythonWorker } from "./testing/python-worker.ts";

const python = process.env["CORRAL_TRUSS_PYTHON"];
const skip =
  python === undefined &&
  "CORRAL_TRUSS_PYTHON names a Python with scripts/oracle/requirements-truss-server.txt to run it";

/** Test trusses that are not compared, and why. */
const leftOut: Readonly<Record<string, string>> = {
  test_custom_server_truss: "a server of its own in an image (docker_server)",
  test_env_vars: "a server of its own in an image (docker_server)",
  test_go_custom_server_truss: "a server of its own in an image (docker_server)",
  test_trt_llm_truss: "its engine is TensorRT-LLM on an A100",
  test_truss_server_model_cache_v1: "weights from a hub, and torch",
  test_truss_server_model_cache_v2: "weights from a hub at a place of the image, and torch",
  test_requirements_file_truss: "all it does is to ask torch for a GPU",
  server_conformance_test_truss:
    "20 s of load and 20 s of predict; calls while a load runs are in the record",
  test_streaming_read_timeout: "the replica keeps that time, not its worker: replica-code-limits.test.ts",
};

/** They sleep in each call. */
const slow: readonly string[] = ["test_concurrency_truss", "test_streaming_truss"];

interface SideCall {
  readonly path?: string;
  readonly method?: string;
  readonly body: string;
}

const ordinary: readonly SideCall[] = [
  { body: '{"prompt": "hello", "nested": {"list": [1, 2.5, null, true, "ä"]}}' },
  { body: "[]" },
  { body: '"text"' },
  { body: "{" },
  { body: '{"prompt": 7}' },
  { body: '{"throw_error": true}' },
];
const openAi: readonly SideCall[] = [
  ["/v1/chat/completions", "chat_completions"],
  ["/v1/completions", "completions"],
  ["/v1/embeddings", "embeddings"],
  ["/v1/messages", "messages"],
  ["/v1/responses", "responses"],
].map(([path = "", method = ""]) => ({ path, method, body: '{"model": "m"}' }));

function testData(): { readonly trusses: string; readonly templates: string } {
  const found = spawnSync(python ?? "", ["-c", "import truss, os; print(os.path.dirname(truss.__file__))"]);
  const home = found.stdout.toString().trim();
  return { trusses: join(home, "tests/test_data"), templates: join(home, "templates") };
}

/** With Truss's defaults filled in. */
function expandedConfig(directory: string): Record<string, unknown> {
  const program = `import json, sys
from pathlib import Path
from truss.base.truss_config import TrussConfig
print(json.dumps(TrussConfig.from_yaml(Path(sys.argv[1])).to_dict(verbose=True)))`;
  const ran = spawnSync(python ?? "", ["-c", program, join(directory, "config.yaml")]);
  assert.equal(ran.status, 0, ran.stderr.toString());
  return JSON.parse(ran.stdout.toString()) as Record<string, unknown>;
}

/** As it lies in the image that Truss builds. */
function layOut(directory: string, templates: string, config: object): string {
  const app = mkdtempSync(join(tmpdir(), "corral-truss-"));
  cpSync(join(templates, "server"), app, { recursive: true });
  cpSync(join(templates, "shared"), join(app, "_truss_shared"), { recursive: true });
  for (const part of ["model", "packages", "data"])
    if (existsSync(join(directory, part)))
      cpSync(join(directory, part), join(app, part), { recursive: true });
  writeFileSync(join(app, "model/__init__.py"), "");
  // What is JSON is YAML.
  writeFileSync(join(app, "config.yaml"), JSON.stringify(config));
  return app;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function send(
  port: number,
  { path = "/v1/models/model:predict", body }: SideCall,
  method = "POST",
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", () => {});
      response.once("close", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string>,
          body: Buffer.concat(pieces),
          isBrokenOff: !response.complete,
        }),
      );
    });
    sent.end(body);
  });
}

async function startServer(app: string, variables: Readonly<Record<string, string>>) {
  const port = await freePort();
  const child = spawn(python ?? "", ["main.py"], {
    cwd: app,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: app,
      INFERENCE_SERVER_PORT: String(port),
      PYTHONPATH: join(app, "packages"),
      ...variables,
    },
    stdio: "ignore",
  });
  return { port, child };
}

async function untilReady(port: number, child: ChildProcess): Promise<boolean> {
  const giveUpAt = performance.now() + 60_000;
  while (child.exitCode === null && performance.now() < giveUpAt) {
    const answer = await send(port, { path: "/v1/models/model", body: "" }, "GET").catch(() => null);
    if (answer?.status === 200) return true;
    await sleep(100);
  }
  return false;
}

/** Its connection's own headers say nothing of the answer. */
function meaning({ status, headers, body, isBrokenOff }: WireAnswer) {
  const kept = Object.entries(headers)
    .filter(([name]) => !/^(date|server|connection|content-length|transfer-encoding|keep-alive)$/.test(name))
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const text = body.toString();
  return { status, headers: Object.fromEntries(kept), body: asValue(text), isBrokenOff };
}

function asValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function textFiles(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("__pycache__"))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(directory, path), "utf8")]));
}

describe("test trusses of the wheel, beside the real server", { skip, concurrency: 2 }, () => {
  const { trusses, templates } = python === undefined ? { trusses: "", templates: "" } : testData();
  const names =
    python === undefined ? [] : readdirSync(trusses).filter((name) => isTruss(join(trusses, name)));

  test("none of those that are left out has gone", () => {
    assert.ok(names.length >= 25, String(names.length));
    assert.deepEqual(
      Object.keys(leftOut).filter((name) => !names.includes(name)),
      [],
    );
  });

  for (const name of names.filter((one) => leftOut[one] === undefined)) {
    test(name, async (t) => {
      const directory = join(trusses, name);
      const config = expandedConfig(directory);
      const app = layOut(directory, templates, config);
      t.after(() => rmSync(app, { recursive: true, force: true }));
      const given = config["environment_variables"] as Record<string, string>;
      // What is written goes where it is removed.
      const variables = Object.fromEntries(
        Object.entries(given).map(([key, value]) => [key, value.replace(/^\/tmp\//, `${app}/`)]),
      );
      const server = await startServer(app, variables);
      t.after(() => void server.child.kill("SIGKILL"));
      const worker = await startPythonWorker(t, {
        python: python ?? "",
        files: textFiles(directory),
        config,
        environment: variables,
        start: {
          predict_concurrency: (config["runtime"] as { predict_concurrency: number }).predict_concurrency,
          secrets: config["secrets"] as Record<string, string>,
        },
      });
      if (!(await untilReady(server.port, server.child))) {
        const { stage } = await worker.heard("failed");
        return assert.equal(stage, "load");
      }
      const { methods } = await worker.heard("loaded");
      const isOpenAi = methods.includes("chat_completions");
      const plain = slow.includes(name) ? ordinary.slice(2, 4) : ordinary;
      for (const call of [...plain, ...(isOpenAi ? openAi : [])]) {
        const bytes = Buffer.from(call.body);
        const headers = [["content-type", "application/json"]] as const;
        const path = call.path ?? "/v1/models/model:predict";
        const [theirs, ours] = await Promise.all([
          send(server.port, call),
          worker.call(call.method ?? "predict", bytes, headers, path).done,
        ]);
        assert.deepEqual(meaning(asTrussAnswers(ours)), meaning(theirs), `${path} ${call.body}`);
      }
    });
  }
});

function isTruss(directory: string): boolean {
  return statSync(directory).isDirectory() && existsSync(join(directory, "config.yaml"));
}
