// The test trusses that the wheel of Truss ships, side by side over HTTP: the real Truss server as a plain process, and a
// replica with the same directory, below `/sync`. Statuses, headers that carry meaning, bodies, whether they come whole and
// in which pieces are the same.

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
import { request, type IncomingMessage } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestBundle } from "../../testing/start-test-bundle.ts";

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
};

/** They sleep in each call. */
const slow: readonly string[] = [
  "test_concurrency_truss",
  "test_streaming_truss",
  "test_streaming_read_timeout",
];

interface SideCall {
  readonly method?: string;
  /** Default: that of `predict`. */
  readonly path?: string;
  readonly body: string;
}

interface SideAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As they came. */
  readonly pieces: readonly Buffer[];
  readonly isBrokenOff: boolean;
}

/** The server's own routes, once the model is loaded. */
const around: readonly SideCall[] = [
  "/",
  "/v1/models/model",
  "/v1/models/model/loaded",
  "/v1/models/model/schema",
  "/v1/models/other",
  "/v1/models/other/loaded",
  "/v1/nothing",
].map((path) => ({ method: "GET", path, body: "" }));
const ordinary: readonly SideCall[] = [
  { body: '{"prompt": "hello", "nested": {"list": [1, 2.5, null, true, "ä"]}}' },
  { body: "[]" },
  { body: '"text"' },
  { body: "{" },
  { body: '{"prompt": 7}' },
  { body: '{"throw_error": true}' },
];
const openAi: readonly SideCall[] = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/messages",
  "/v1/responses",
].map((path) => ({ path, body: '{"model": "m"}' }));
const predictPath = "/v1/models/model:predict";
const json = { "content-type": "application/json" };

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

function send(port: number, { method = "POST", path = predictPath, body }: SideCall): Promise<SideAnswer> {
  return new Promise((resolve, reject) => {
    const headers = method === "POST" ? json : {};
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
    sent.once("error", reject);
    sent.once("response", (response) => resolve(readAnswer(response)));
    sent.end(body);
  });
}

function readAnswer(response: IncomingMessage): Promise<SideAnswer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    response.on("data", (piece: Buffer) => pieces.push(piece));
    response.on("error", () => {});
    response.once("close", () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers as Record<string, string>,
        pieces,
        isBrokenOff: !response.complete,
      }),
    );
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
    const answer = await send(port, { method: "GET", path: "/v1/models/model", body: "" }).catch(() => null);
    if (answer?.status === 200) return true;
    await sleep(100);
  }
  return false;
}

/** Its connection's own headers say nothing of the answer. Pieces that no pause parts may come as one. */
function meaning({ status, headers, pieces, isBrokenOff }: SideAnswer, isSlow: boolean) {
  const kept = Object.entries(headers)
    .filter(([name]) => !/^(date|server|connection|keep-alive)$/.test(name))
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const texts = pieces.map(String);
  return {
    status,
    headers: Object.fromEntries(kept),
    body: asValue(texts.join("")),
    isBrokenOff,
    ...(isSlow ? { texts } : {}),
  };
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
  // The replica looks for a Python there, and finds the one that has the packages.
  if (python !== undefined) process.env["PATH"] = [dirname(python), process.env["PATH"]].join(delimiter);
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
      const starting = startReplica(directory, config, given);
      // It may be refused before the other server is known to be.
      starting.catch(() => undefined);
      if (!(await untilReady(server.port, server.child)))
        return await assert.rejects(starting, /load failed/);
      await using replica = await starting;
      const isOpenAi = readFileSync(join(directory, "model/model.py"), "utf8").includes(
        "def chat_completions",
      );
      const isSlow = slow.includes(name);
      const plain = isSlow ? ordinary.slice(2, 4) : ordinary;
      for (const call of [...around, ...plain, ...(isOpenAi ? openAi : [])]) {
        const { method = "POST", path = predictPath, body } = call;
        const [theirs, ours] = await Promise.all([
          send(server.port, call),
          replica
            .open({
              method,
              path: `/sync${path}`,
              body,
              dialect: "baseten",
              headers: { "x-corral-bare": "1", ...(method === "POST" ? json : {}) },
            })
            .response.then(readAnswer),
        ]);
        assert.deepEqual(meaning(ours, isSlow), meaning(theirs, isSlow), `${method} ${path} ${body}`);
      }
    });
  }
});

/** As the platform starts it for this config. */
function startReplica(
  directory: string,
  config: Readonly<Record<string, unknown>>,
  variables: Readonly<Record<string, string>>,
) {
  const runtime = config["runtime"] as { predict_concurrency: number; streaming_read_timeout: number };
  return startTestBundle({
    files: textFiles(directory),
    code: {
      kind: "python",
      config,
      environment_variables: variables,
      secrets: config["secrets"] as Record<string, string>,
      predict_concurrency: runtime.predict_concurrency,
      limits: {
        memory_bytes: null,
        open_files: 4_096,
        answer_bytes: 1024 ** 2,
        load_ms: 60_000,
        call_ms: 60_000,
        piece_ms: runtime.streaming_read_timeout * 1_000,
      },
    },
  });
}

function isTruss(directory: string): boolean {
  return statSync(directory).isDirectory() && existsSync(join(directory, "config.yaml"));
}
