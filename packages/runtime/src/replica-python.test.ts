// A Python model behind a replica: its environment is made, its process started, its answers put into envelopes.

import assert from "node:assert/strict";
import type { PythonCode } from "@corral/contract";
import { startFakeHub } from "@corral/weights/testing";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { canIsolate } from "./code-worker/isolation.ts";
import { anyPython } from "./code-worker/python/testing/python-worker.ts";
import { startTestReplica, type TestReplica, type TestReplicaOptions } from "./testing/start-test-replica.ts";
import { testCode } from "./testing/test-config.ts";

const skip = (await anyPython()) === null ? "there is no Python from 3.9 on" : false;

interface PythonOptions extends TestReplicaOptions {
  readonly python?: Partial<PythonCode>;
  readonly secrets?: Readonly<Record<string, string>>;
}

async function startPython(
  text: string,
  { python: changes, secrets, ...options }: PythonOptions = {},
): Promise<
  TestReplica & {
    readonly home: string;
    /** Another version, in a directory of its own. */
    readonly change: (next: string, keepsState?: boolean) => Promise<Record<string, unknown>>;
  }
> {
  const directory = mkdtempSync(join(tmpdir(), "corral-python-test-"));
  const home = join(directory, "home");
  const bundle = join(directory, "bundle");
  mkdirSync(join(bundle, "model"), { recursive: true });
  writeFileSync(join(bundle, "model/model.py"), text);
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const python = {
    version: null,
    strict: false,
    requirements: [],
    requirements_file: null,
    external_data: [],
    hub_files: [],
    bundle_digest: "d",
    home,
    ...changes,
  };
  const codeIn = (place: string) =>
    testCode(place, {
      ...(secrets === undefined ? {} : { secrets }),
      kind: "python",
      file: "model/model.py",
      class_name: "Model",
      python: { ...python, bundle_digest: place },
      hidden_directories: [home],
      live_directory: join(home, "live"),
    });
  const code = codeIn(bundle);
  const replica = await startTestReplica({ hasModel: false, ...options, config: { code } }).catch(
    (error: unknown) => {
      remove();
      throw error;
    },
  );
  const dispose = replica[Symbol.asyncDispose];
  let number = 0;
  return Object.assign(replica, {
    home,
    async change(next: string, keepsState = true) {
      const place = join(home, "versions", String((number += 1)));
      mkdirSync(join(place, "model"), { recursive: true });
      writeFileSync(join(place, "model/model.py"), next);
      const body = { code: codeIn(place), keep_state: keepsState };
      return (await replica.call({ path: "/code", body })).json as Record<string, unknown>;
    },
    async [Symbol.asyncDispose]() {
      await dispose();
      remove();
    },
  });
}

test("a Python model answers in an environment of its own, in each family's envelope", { skip }, async () => {
  await using replica = await startPython(`
import sys
class Model:
    def predict(self, model_input):
        if model_input == "fail":
            raise ValueError("a secret of the code")
        return {"got": model_input, "prefix": sys.prefix}
    def chat_completions(self, model_input):
        yield "data: 1\\n\\n"
        yield "data: [DONE]\\n\\n"
`);
  const [key] = readdirSync(join(replica.home, "environments"));
  const plain = await replica.call({ body: { a: 1 } });
  assert.deepEqual(plain.json.result, {
    got: { a: 1 },
    prefix: join(replica.home, "environments", key ?? ""),
  });
  const wrapped = await replica.call({ body: '"x"', dialect: "baseten" });
  assert.equal(wrapped.json.model_output.got, "x");
  const broken = await replica.call({ body: "x", dialect: "baseten" });
  const why = "Invalid JSON payload: Expecting value: line 1 column 1 (char 0)";
  assert.deepEqual([broken.status, broken.json], [400, { error: why }]);
  const failed = await replica.call({ body: '"fail"', dialect: "baseten" });
  assert.deepEqual(
    [failed.status, failed.json],
    [500, { error: "Internal Server Error (in model/chainlet)." }],
  );
  assert.ok(
    replica.logLines.some((line) => line.includes("a secret of the code") && line.includes("model.py")),
  );
  const streamed = await replica.call({ body: {}, dialect: "openai", path: "/chat/completions" });
  assert.equal(streamed.text, "data: 1\n\ndata: [DONE]\n\n");
});

const place = { workingDirectory: tmpdir(), scratchDirectory: tmpdir(), hidden: [], kept: [], mounts: [] };
const noNamespaces =
  !canIsolate({ ...place, path: process.env["PATH"] ?? "" }) && "the system gives no namespaces";

test(
  "code in its environment sees nothing else of the platform's directory",
  { skip: skip || noNamespaces },
  async () => {
    await using replica = await startPython(`
import os
class Model:
    def predict(self, model_input):
        return sorted(os.listdir(model_input))
`);
    const seen = await replica.call({ body: JSON.stringify(replica.home) });
    writeFileSync(join(replica.home, "admin-key"), "secret");
    const again = await replica.call({ body: JSON.stringify(replica.home) });
    assert.deepEqual(again.json.result, seen.json.result);
  },
);

test(
  "Python code beside weights generates with the replica's engine, and its run pays for it",
  { skip },
  async () => {
    await using replica = await startPython(
      `
from corral import CallRefused, llm
class Model:
    def predict(self, model_input):
        if "nonsense" in model_input:
            try:
                llm.generate("a", nonsense=1)
            except CallRefused as refused:
                return [refused.code, refused.errors[0]["pointer"]]
        answer = llm.generate(model_input["prompt"], max_new_tokens=3, do_sample=False)
        return {"text": answer["result"][0]["generated_text"], "usage": answer["usage"], "ids": llm.tokenize("abc")}
    async def completions(self, model_input):
        stream = llm.aio.stream(model_input["prompt"], max_new_tokens=3, do_sample=False)
        async for text in stream:
            yield text
        yield "|%d" % stream.answer["usage"]["generated_tokens"]
`,
      { hasModel: true },
    );
    const answer = await replica.call({ body: { prompt: "abc" } });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.result.usage.generated_tokens, 3);
    const finished = await replica.platform.until("finished", answer.runId);
    assert.deepEqual(finished.usage, answer.json.result.usage);
    const streamed = await replica.call({ body: { prompt: "abc" }, dialect: "openai", path: "/completions" });
    assert.match(streamed.text, /\|3$/);
    const refused = await replica.call({ body: { nonsense: true } });
    assert.deepEqual(refused.json.result, ["unknown_parameter", "/nonsense"]);
  },
);

test(
  "a model that cannot be loaded ends its replica, with the author's file and line",
  { skip },
  async () => {
    await assert.rejects(
      startPython(
        "class Model:\n    def predict(self, x):\n        pass\n    def load(self):\n        raise OSError('no disk')\n",
      ),
      /Its load failed \(model\/model\.py line 5\): OSError: no disk/,
    );
  },
);

test("a process of the code that dies costs its calls alone", { skip }, async () => {
  await using replica = await startPython(
    "import os\nclass Model:\n    def predict(self, x):\n        if x == 'die':\n            os._exit(7)\n        return x\n",
  );
  const lost = await replica.call({ body: '"die"' });
  assert.equal(lost.status, 502, lost.text);
  assert.equal((await replica.call({ body: '"next"' })).json.result, "next");
});

const hubFiles = `
import os, pathlib
class Model:
    def __init__(self, lazy_data_resolver):
        lazy_data_resolver.block_until_download_complete()
    def predict(self, model_input):
        hub = pathlib.Path.home() / ".cache/huggingface/hub/models--owner--name"
        commit = (hub / "refs/main").read_text()
        return {
            "cached": (hub / "snapshots" / commit / "config.json").read_text(),
            "names": sorted(os.listdir(hub / "snapshots" / commit)),
            "mounted": sorted(os.listdir(model_input)) if model_input else None,
            "offline": os.environ["HF_HUB_OFFLINE"],
            "token": [name for name in os.environ if "TOKEN" in name],
        }
`;

test("repositories of model_cache and weights are where the code looks for them", { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "corral-hub-files-"));
  mkdirSync(join(directory, "source"));
  for (const name of ["config.json", "model.safetensors", "notes.txt"])
    writeFileSync(join(directory, "source", name), `of ${name}`);
  const gated = { directory: join(directory, "source"), gated: "auto" as const, access: ["hf_author"] };
  const hub = await startFakeHub({ repositories: { "owner/name": gated, "owner/other": gated } });
  const before = { ...process.env };
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HOME: join(directory, "operator") });
  t.after(async () => {
    process.env = before;
    await hub.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const wanted = {
    field: "model_cache",
    repository: "owner/name",
    revision: null,
    secret: "hf_access_token",
  };
  const cached = { ...wanted, allow_patterns: ["*.json", "*.safetensors"], place: null };
  const place = "/app/model_cache/tiny";
  const mounted = { ...wanted, field: "weights", ignore_patterns: ["*.safetensors"], place };
  const secrets = { hf_access_token: "hf_author" };
  const hasPlaces = noNamespaces === false;
  await using replica = await startPython(hubFiles, {
    python: { hub_files: hasPlaces ? [cached, mounted] : [cached] },
    secrets,
  });
  const { json } = await replica.call({ body: JSON.stringify(hasPlaces ? place : null) });
  assert.deepEqual(json.result, {
    cached: "of config.json",
    names: ["config.json", "model.safetensors"],
    mounted: hasPlaces ? ["config.json", "notes.txt"] : null,
    offline: "1",
    token: [],
  });
  const other = { ...cached, repository: "owner/other" };
  await assert.rejects(startPython(hubFiles, { python: { hub_files: [other] } }), {
    code: "repository_gated",
    message: /^model_cache of config\.yaml: /,
  });
});

test(
  "new code takes over the living object where it can, and another process where load would differ",
  { skip },
  async () => {
    const code = (word: string, load = "self.calls = []") => `
class Model:
    def load(self):
        ${load}
    def predict(self, model_input):
        self.calls.append("${word}")
        return self.calls
`;
    await using replica = await startPython(code("a"));
    const predict = async () => (await replica.call({ body: {} })).json.result as unknown;
    assert.deepEqual(await predict(), ["a"]);
    const kept = await replica.change(code("b"));
    assert.deepEqual([kept["kind"], kept["reload"], kept["load_ms"]], ["loaded", "state_kept", 0]);
    assert.deepEqual(await predict(), ["a", "b"]);
    const broken = await replica.change("class Model(:\n");
    assert.deepEqual([broken["kind"], broken["file"], broken["line"]], ["refused", "model/model.py", 1]);
    assert.deepEqual(await predict(), ["a", "b", "b"]);
    assert.equal((await replica.change(code("c", "self.calls = ['loaded']")))["reload"], "replaced");
    assert.deepEqual(await predict(), ["loaded", "c"]);
    assert.equal((await replica.change(code("d", "self.calls = ['loaded']"), false))["reload"], "replaced");
    assert.deepEqual(await predict(), ["loaded", "d"]);
    assert.equal((await replica.change(code("e", "self.calls = ['loaded']")))["reload"], "state_kept");
    assert.deepEqual(await predict(), ["loaded", "d", "e"]);
  },
);

test(
  "code that was exchanged under a living object is what a crashed process is started again with",
  { skip },
  async () => {
    const code = (word: string) => `
import os
class Model:
    def predict(self, model_input):
        if model_input == "die":
            os._exit(3)
        return "${word}"
`;
    await using replica = await startPython(code("a"));
    assert.equal((await replica.change(code("b")))["reload"], "state_kept");
    assert.equal((await replica.call({ body: '"die"' })).status, 502);
    assert.equal((await replica.call({ body: {} })).json.result, "b");
  },
);

test("a response's own headers leave byte for byte, whatever its body is", { skip }, async () => {
  await using replica = await startPython(`
import sys, types
responses = types.ModuleType("starlette.responses"); starlette = types.ModuleType("starlette")
class Response:
    async def __call__(self, scope, receive, send):
        headers = [(b"content-type", b"application/json"), (b"x-author", "Jos\\u00e9".encode("latin-1"))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": '"\\u00e9"'.encode()})
responses.Response = Response
sys.modules["starlette"], sys.modules["starlette.responses"] = starlette, responses
class Model:
    def predict(self, _): return Response()
`);
  const answer = await replica.call({ body: {} });
  assert.equal(answer.status, 200, answer.text);
  // As Node reads headers: a character for each byte.
  assert.equal(answer.headers["x-author"], "Jos\u00e9");
  assert.equal(answer.text, '"\u00e9"');
});
