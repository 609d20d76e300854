import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ServingError } from "@corral/contract";
import { runCli } from "./cli.ts";
import {
  fakeDeployment,
  fakeKey,
  fakeWeights,
  startFakePlatform,
  type FakePlatform,
} from "./testing/fake-platform.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
let platform: FakePlatform;
let directory = "";

before(async () => {
  platform = await startFakePlatform();
  directory = await mkdtemp(join(tmpdir(), "corral-cli-"));
});
after(async () => {
  await platform.close();
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  platform.requests.length = 0;
  platform.answers.clear();
});

interface Given {
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

const environmentOf = (changes: Given["environment"] = {}) => ({
  PATH: process.env["PATH"],
  HOME: directory,
  CORRAL_URL: platform.url,
  CORRAL_API_KEY: fakeKey,
  ...changes,
});

/** The command line in this process: what a spawned one does, in a hundredth of the time. */
async function corral(args: readonly string[], { stdin = "", environment }: Given = {}): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  const code = await runCli({
    args,
    environment: environmentOf(environment),
    directory,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    readStdin: async () => stdin,
  });
  assert.doesNotMatch(stderr, /\n\s+at /, "no stack trace is shown");
  return { stdout, stderr, code };
}

async function corralProcess(
  args: readonly string[],
  { stdin = "", environment }: Given = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { cwd: directory, env: environmentOf(environment) });
  child.stdin.end(stdin);
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  return { stdout, stderr, code };
}

describe("the process", () => {
  it("has nothing but data on stdout, and the exit code", async () => {
    const listed = await corralProcess(["ls", "--output", "json"]);
    assert.deepEqual([JSON.parse(listed.stdout), listed.stderr, listed.code], [[fakeDeployment()], "", 0]);
    const piped = await corralProcess(["predict", "dep_1", "-d", "-"], { stdin: '{"prompt": "s"}' });
    assert.deepEqual(
      [piped.stdout, piped.stderr, piped.code],
      ["an answer\n", "Warning: top_k is inert.\n", 0],
    );
    const missing = await corralProcess(["predict", "nobody", "--prompt", "x"]);
    assert.deepEqual([missing.stdout, missing.code], ["", 4]);
    const usage = await corralProcess(["pushh"]);
    assert.deepEqual([usage.stdout, usage.code], ["", 2]);
    const deployed = await corralProcess(["deploy", "corral-tiny-3", "--output", "json"]);
    assert.deepEqual(
      [(JSON.parse(deployed.stdout) as { status: string }).status, deployed.stderr, deployed.code],
      ["active", "", 0],
    );
  });

  it("ends with 130 when it is interrupted", async () => {
    platform.answers.set(
      "GET /api/v1/deployments/dep_2",
      fakeDeployment({ id: "dep_2", status: "starting" }),
    );
    const child = spawn(process.execPath, [main, "deploy", "corral-tiny-3"], {
      cwd: directory,
      env: environmentOf(),
    });
    child.stderr.once("data", () => setTimeout(() => child.kill("SIGINT"), 300));
    const [stdout, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once("close", resolve)),
    ]);
    assert.deepEqual([stdout, code], ["", 130]);
    assert.match(stderr, /corral: Interrupted\.\n$/);
  });
});

describe("corral", () => {
  it("explains itself, and each command shows examples", async () => {
    const help = await corral(["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Start here:[^]*Exit codes:[^]*cannot be reached/);
    for (const command of [
      ["up"],
      ["deploy"],
      ["push"],
      ["predict"],
      ["ls"],
      ["logs"],
      ["weights", "show"],
      ["keys", "create"],
      ["rm"],
    ]) {
      const { stdout, code } = await corral([...command, "--help"]);
      assert.equal(code, 0);
      assert.match(stdout, /--output <format>[^]*Examples:\n {2}corral /, command.join(" "));
    }
  });

  it("ends with 2 on a command line that is not valid", async () => {
    for (const args of [
      [],
      ["pushh"],
      ["ls", "--outpt", "json"],
      ["ls", "planets"],
      ["predict", "x"],
      ["ls", "--output", "xml"],
      ["ls", "--url", "ftp://x"],
    ]) {
      const { code, stdout, stderr } = await corral(args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.notEqual(stderr, "");
    }
    assert.match((await corral(["pushh"])).stderr, /Did you mean push\?/);
  });

  it("maps errors to exit codes and says each in one sentence", async () => {
    const cases: readonly [ServingError, number][] = [
      [new ServingError("forbidden", "This key may not list."), 3],
      [new ServingError("model_not_found", "No such thing."), 4],
      [new ServingError("conflict", "It is in another state."), 6],
      [new ServingError("database_unavailable", "The database rests.", { retryAfterSeconds: 1 }), 5],
      [new ServingError("internal", "Unexpected."), 1],
    ];
    for (const [error, expected] of cases) {
      platform.answers.set("GET /api/v1/models", error);
      const { code, stdout, stderr } = await corral(["ls", "models"]);
      assert.deepEqual([code, stdout, stderr], [expected, "", `corral: ${error.message}\n`]);
    }
  });

  it("says how a platform is started when nothing listens", async () => {
    const gone = await startFakePlatform();
    await gone.close();
    const { code, stderr } = await corral(["ls"], { environment: { CORRAL_URL: gone.url } });
    assert.equal(code, 5);
    assert.match(
      stderr,
      /^corral: Nothing listens at http:\/\/127\.0\.0\.1:\d+\. Start a platform with `corral up`/,
    );
  });

  it("takes the key from the platform's key file, but never for another machine", async () => {
    const environment = { CORRAL_API_KEY: "" };
    const without = await corral(["ls"], { environment });
    assert.equal(without.code, 3);
    assert.match(without.stderr, /No API key: set CORRAL_API_KEY/);
    await mkdir(join(directory, ".corral"), { recursive: true });
    await writeFile(join(directory, ".corral", "admin-key"), `${fakeKey}\n`);
    assert.equal((await corral(["ls"], { environment })).code, 0);
    const deployed = await corral(["deploy", "corral-tiny-3", "--no-wait"], { environment });
    assert.ok(
      deployed.stdout.includes(
        `"Authorization: Api-Key $(cat '${join(directory, ".corral", "admin-key")}')"`,
      ),
    );
    const elsewhere = await corral(["ls", "--url", "https://corral.example"], { environment });
    assert.equal(elsewhere.code, 3);
    assert.match(elsewhere.stderr, /No API key for https:\/\/corral\.example/);
    await rm(join(directory, ".corral"), { recursive: true });
  });

  it("gives an error as JSON on stderr with --output json", async () => {
    const errors = [{ pointer: "/top_p", code: "invalid_parameter", message: "top_p is 2." }] as const;
    platform.answers.set(
      "GET /api/v1/models",
      new ServingError("invalid_parameter", "top_p is 2.", { errors }),
    );
    const { stdout, stderr } = await corral(["ls", "models", "--output", "json"]);
    assert.equal(stdout, "");
    assert.deepEqual(JSON.parse(stderr), { code: "invalid_parameter", detail: "top_p is 2.", errors });
  });
});

describe("corral ls", () => {
  it("prints tab-separated rows when piped and a JSON array on demand", async () => {
    const plain = await corral(["ls"]);
    assert.equal(
      plain.stdout,
      "corral-tiny-3\tdep_1\tcorral-tiny-3\tactive\tllama-3-8b-instruct\t2026-11-21T00:00:00.000Z\n",
    );
    assert.deepEqual(JSON.parse((await corral(["ls", "--output", "json"])).stdout), [fakeDeployment()]);
  });

  it("shows the platform's catalogue: what is there, its licence and quantisation", async () => {
    const license = { id: "llama2", url: "https://test", notice: "Terms.", accepted: true };
    const row = { identifier: "mine", title: "Mine", aliases: [], built_in: false, source: "owner/mine" };
    const items = [{ ...row, license, quantization: "q8_0", context_length: 4096, weights: "ready" }];
    platform.answers.set("GET /api/v1/catalogue", { items, next_cursor: null });
    const { stdout } = await corral(["ls", "catalogue"]);
    assert.equal(stdout, "mine\tready\towner/mine\tq8_0\tllama2 (accepted)\tMine\n");
  });

  it("shows the built-in catalogue where no platform answers, and says so", async () => {
    const { stdout, stderr, code } = await corral(["ls", "catalogue"], {
      environment: { CORRAL_URL: "http://127.0.0.1:9" },
    });
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^llama-3-8b-instruct\tunknown\tmeta-llama\/Meta-Llama-3-8B-Instruct\tq4_k_m\tllama3\t/,
    );
    assert.match(stdout, /^corral-tiny-2\tbuilt in\tbuilt in\t-\t-\t/m);
    assert.match(stderr, /No platform answers/);
  });
});

describe("corral predict", () => {
  it("prints the text alone, and warnings beside it", async () => {
    const { stdout, stderr, code } = await corral([
      "predict",
      "corral-tiny-3",
      "--message",
      "Hi",
      "-d",
      '{"max_tokens": 5}',
    ]);
    assert.deepEqual([stdout, stderr, code], ["an answer\n", "Warning: top_k is inert.\n", 0]);
    const sent = JSON.parse(platform.requests.at(-1)?.body.toString() ?? "") as unknown;
    assert.deepEqual(sent, { max_tokens: 5, messages: [{ role: "user", content: "Hi" }] });
  });

  it("finds the deployment by id, model, identifier and alias", async () => {
    for (const name of ["dep_1", "mod_1", "llama-3-8b-instruct", "llama3-8b-instruct"]) {
      const { stdout } = await corral(["predict", name, "--prompt", "x", "--output", "json"]);
      assert.equal((JSON.parse(stdout) as { model_version_id: string }).model_version_id, "dep_1");
    }
    platform.answers.set("GET /api/v1/catalogue/helper", { identifier: "llama-3-8b-instruct" });
    assert.equal((await corral(["predict", "helper", "--prompt", "x"])).stdout, "an answer\n");
    const missing = await corral(["predict", "nobody", "--prompt", "x"]);
    assert.equal(missing.code, 4);
    assert.match(missing.stderr, /no deployment "nobody"; there are corral-tiny-3/);
  });

  it("takes the name as it is where the key may call but not list", async () => {
    platform.answers.set("GET /api/v1/deployments", new ServingError("forbidden", "The call needs read."));
    assert.equal((await corral(["predict", "dep_1", "--prompt", "x"])).stdout, "an answer\n");
    assert.equal((await corral(["predict", "dep_1", "--prompt", "x", "--stream"])).stdout, "streamed text");
  });

  it("streams the text as it comes", async () => {
    assert.equal((await corral(["predict", "dep_1", "--prompt", "x", "--stream"])).stdout, "streamed text");
    const lines = (await corral(["predict", "dep_1", "--prompt", "x", "--stream", "--output", "json"])).stdout
      .trim()
      .split("\n");
    assert.equal(lines.map((line) => (JSON.parse(line) as { text: string }).text).join(""), "streamed text");
  });

  it("sends any JSON to a model of code, and prints its whole answer unless it is a text's", async () => {
    for (const body of ["[1, 2]", '"a text"', "null", "7"]) {
      assert.equal((await corral(["predict", "dep_1", "-d", body])).code, 0, body);
      assert.deepEqual(JSON.parse(platform.requests.at(-1)?.body.toString() ?? ""), JSON.parse(body));
    }
    for (const extra of [["--stream"], ["--prompt", "x"]])
      assert.equal((await corral(["predict", "dep_1", "-d", "[1]", ...extra])).code, 2);
    const outputs = [
      null,
      [1],
      { output: "x", score: 3 },
      { outputs: [{ a: 1 }] },
      { a: { b: 2 } },
      0,
      "text",
    ];
    for (const output of outputs) {
      const answer = { model_id: "mod_1", model_version_id: "dep_1", model_output: output };
      platform.answers.set("POST /model_versions/dep_1/predict", answer);
      const { stdout, code } = await corral(["predict", "dep_1", "-d", "{}"]);
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(stdout), output);
    }
    platform.answers.set("POST /model_versions/dep_1/predict", {
      model_output: { outputs: ["a", "b"], run_id: "r" },
    });
    assert.equal((await corral(["predict", "dep_1", "-d", "{}"])).stdout, "[1] a\n[2] b\n");
  });

  it("reads the body from a file or stdin and shows where JSON is wrong", async () => {
    await writeFile(join(directory, "body.json"), '{"prompt": "f"}');
    assert.equal((await corral(["predict", "dep_1", "-f", "body.json"])).code, 0);
    assert.equal((await corral(["predict", "dep_1", "-f", "-"], { stdin: '{"prompt": "s"}' })).code, 0);
    const wrong = await corral(["predict", "dep_1", "-d", '{"prompt": "a" "top_p": 1}']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /line 1, column 16: missing ',' before "top_p"/);
    const none = await corral(["predict", "dep_1", "-f", "none.json"]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /none\.json does not exist/);
  });
});

describe("corral deploy", () => {
  it("waits until the deployment answers and prints how it is called", async () => {
    const { stdout, code } = await corral([
      "deploy",
      "corral-tiny-3",
      "--name",
      "named",
      "--precision",
      "reference",
    ]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /status {6}active\npredict {5}http:.*\/model_versions\/dep_2\/predict\n\ncurl -X POST/,
    );
    assert.match(stdout, /Authorization: Api-Key \$CORRAL_API_KEY/);
    const created = platform.requests.find(({ method }) => method === "POST");
    assert.deepEqual(JSON.parse(created?.body.toString() ?? ""), {
      source: "corral-tiny-3",
      name: "named",
      precision: "reference",
    });
  });

  it("comes back at once with --no-wait", async () => {
    const { stdout } = await corral(["deploy", "corral-tiny-3", "--no-wait", "--output", "json"]);
    const shown = JSON.parse(stdout) as { status: string; predict_url: string };
    assert.equal(shown.status, "starting");
    assert.equal(shown.predict_url, `${platform.url}/model_versions/dep_2/predict`);
  });

  it("fails with the platform's reason when the deployment cannot start", async () => {
    platform.answers.set(
      "GET /api/v1/deployments/dep_2",
      fakeDeployment({ id: "dep_2", status: "failed", status_detail: "the weights are text" }),
    );
    const { code, stderr } = await corral(["deploy", "corral-tiny-3"]);
    assert.equal(code, 1, "waiting would not help");
    assert.match(stderr, /cannot start: the weights are text/);
  });

  it("finds the mistakes of a file before anything is sent", async () => {
    await writeFile(join(directory, "text.gguf"), "just text");
    const unreadable = await corral(["deploy", "text.gguf"]);
    assert.equal(unreadable.code, 6);
    assert.match(unreadable.stderr, /text\.gguf cannot be loaded: it does not begin with "GGUF"/);
    await mkdir(join(directory, "own-code"));
    await writeFile(join(directory, "own-code", "config.yaml"), "model_name: own\n");
    const folder = await corral(["deploy", "./own-code"]);
    assert.equal(folder.code, 2);
    assert.match(folder.stderr, /has a config\.yaml; `corral push \.\/own-code` deploys/);
    assert.deepEqual(platform.requests, []);
  });
});

describe("corral deploy of a model whose weights are missing", () => {
  const sent = (path: string) =>
    platform.requests
      .filter((request) => request.method === "POST" && request.path === path)
      .map(({ body }) => JSON.parse(body.toString()) as unknown);

  it("asks for the weights, follows them, and deploys them", async () => {
    const states = [
      fakeWeights({ status: "fetching", progress: progress(1_000_000), bytes: null }),
      fakeWeights({ status: "fetching", progress: progress(3_000_000), bytes: null }),
      fakeWeights(),
    ];
    platform.answers.set("GET /api/v1/weights/wts_1", () => states.shift() ?? fakeWeights());
    const { stderr, code } = await corral(["deploy", "llamav2-7b-chat", "--accept-license"]);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /Meta's terms: https:\/\/test\/llama2\nPreparing the weights of llamav2-7b-chat …\n/,
    );
    assert.match(stderr, /The weights of llamav2-7b-chat are there \(4\.1 GB\)/);
    assert.deepEqual(sent("/api/v1/weights"), [{ source: "llamav2-7b-chat", accept_license: "llama2" }]);
    assert.deepEqual(sent("/api/v1/deployments"), [{ source: "llamav2-7b-chat" }, { weights_id: "wts_1" }]);
  });

  it("asks for another recipe, revision or file at once", async () => {
    const args = ["--quantize", "Q8_0", "--revision", "v1", "--name", "big", "--precision", "reference"];
    assert.equal((await corral(["deploy", "owner/name", ...args])).code, 0);
    assert.deepEqual(sent("/api/v1/weights"), [{ source: "owner/name@v1", quantization: "q8_0" }]);
    assert.deepEqual(sent("/api/v1/deployments"), [
      { weights_id: "wts_1", name: "big", precision: "reference" },
    ]);
    assert.equal((await corral(["deploy", "owner/gguf", "--file", "a/b.gguf"])).code, 0);
    assert.deepEqual(sent("/api/v1/weights").at(-1), { source: "owner/gguf", file: "a/b.gguf" });
  });

  it("fails with the platform's code and reason where they cannot be prepared", async () => {
    const detail = "Ask for access at https://hub.test/owner/gated.";
    platform.answers.set(
      "GET /api/v1/weights/wts_1",
      fakeWeights({ status: "failed", error_code: "repository_gated", detail }),
    );
    const failed = await corral(["deploy", "llamav2-7b-chat", "--accept-license", "llama2"]);
    assert.deepEqual([failed.code, failed.stdout], [3, ""]);
    assert.match(failed.stderr, new RegExp(`corral: ${detail}\\n$`));
    const refused = new ServingError("license_not_accepted", "Read it first.");
    platform.answers.set("POST /api/v1/weights", refused);
    assert.equal((await corral(["deploy", "llamav2-7b-chat"])).code, 6);
  });

  it("knows the types of quantisation, and what a wrong one may have meant", async () => {
    const { code, stderr } = await corral(["deploy", "owner/name", "--quantize", "q4km"]);
    assert.equal(code, 2);
    assert.match(stderr, /--quantize is "q4km"; it must be one of .*; did you mean q4_k_m\?/);
    assert.deepEqual(platform.requests, []);
  });

  it("comes back at once with --no-wait, with what is being prepared", async () => {
    platform.answers.set("POST /api/v1/weights", fakeWeights({ status: "queued" }));
    const early = await corral(["deploy", "llamav2-7b-chat", "--no-wait", "--output", "json"]);
    assert.equal(early.code, 0, early.stderr);
    assert.equal((JSON.parse(early.stdout) as { status: string }).status, "queued");
    const told = await corral(["deploy", "llamav2-7b-chat", "--no-wait"]);
    assert.match(told.stderr, /`corral weights show wts_1` shows how far they are/);
    assert.equal(sent("/api/v1/deployments").length, 2);
    const wrong = await corral(["deploy", "llamav2-7b-chat", "--timeout", "soon"]);
    assert.equal(wrong.code, 2);
    assert.equal(sent("/api/v1/deployments").length, 2);
  });

  it("accepts a licence for weights that are there already", async () => {
    const refused = new ServingError("license_not_accepted", "Read it first.");
    const answers = [refused, fakeDeployment({ id: "dep_2", status: "active" })];
    platform.answers.set("POST /api/v1/deployments", () => answers.shift() ?? refused);
    platform.answers.set("GET /api/v1/deployments/dep_2", fakeDeployment({ id: "dep_2", status: "active" }));
    const { code, stderr } = await corral(["deploy", "llamav2-7b-chat", "--accept-license", "llama2"]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(sent("/api/v1/weights"), [{ source: "llamav2-7b-chat", accept_license: "llama2" }]);
  });

  it("takes a Hugging Face directory by its absolute path", async () => {
    const model = join(directory, "finetune");
    await mkdir(model);
    await writeFile(join(model, "config.json"), "{}");
    assert.equal((await corral(["deploy", "./finetune", "--quantize", "q8_0"])).code, 0);
    assert.deepEqual(sent("/api/v1/weights"), [{ source: model, quantization: "q8_0" }]);
  });

  it("leaves it to the platform what a directory without a config.json holds", async () => {
    const cached = join(directory, "models--owner--name");
    await mkdir(join(cached, "snapshots"), { recursive: true });
    assert.equal((await corral(["deploy", "./models--owner--name", "--quantize", "q8_0"])).code, 0);
    assert.deepEqual(sent("/api/v1/weights"), [{ source: cached, quantization: "q8_0" }]);
  });

  it("leaves the platform at work when it is interrupted, and says so", async () => {
    platform.answers.set("GET /api/v1/weights/wts_1", fakeWeights({ status: "fetching" }));
    const interrupted = new AbortController();
    let stderr = "";
    const code = await runCli({
      args: ["deploy", "llamav2-7b-chat"],
      environment: environmentOf(),
      directory,
      stdout: { write: () => true },
      stderr: {
        write: (text) => {
          stderr += text;
          if (text.startsWith("Preparing")) setTimeout(() => interrupted.abort(), 50);
        },
      },
      signal: interrupted.signal,
      readStdin: async () => "",
    });
    assert.equal(code, 130);
    assert.match(stderr, /goes on preparing llamav2-7b-chat: .*`corral weights cancel wts_1` ends it\./);
  });
});

describe("corral weights", () => {
  it("lists, shows, cancels and deletes", async () => {
    const listed = await corral(["weights", "ls"]);
    assert.match(listed.stdout, /^wts_1\tllamav2-7b-chat\tq4_k_m\tready\t4\.1 GB\t/);
    const shown = await corral(["weights", "show", "wts_1"]);
    assert.match(shown.stdout, /^status +ready$/m);
    const asJson = await corral(["weights", "show", "wts_1", "--output", "json"]);
    assert.deepEqual(JSON.parse(asJson.stdout), fakeWeights());
    platform.answers.set(
      "GET /api/v1/weights/wts_1",
      fakeWeights({ status: "fetching", progress: progress(2_000_000), bytes: null }),
    );
    const running = await corral(["weights", "show", "wts_1"]);
    assert.match(running.stdout, /^progress +fetching 2\.0 MB of 4\.0 MB, 1\.0 MB\/s, 2 min left$/m);
    assert.match((await corral(["weights", "cancel", "wts_1"])).stdout, /is canceled/);
    assert.equal((await corral(["weights", "rm", "wts_1"])).stdout, "deleted wts_1\n");
  });
});

function progress(done: number) {
  return { done_bytes: done, total_bytes: 4_000_000, bytes_per_second: 1_000_000, eta_seconds: 95 };
}

describe("corral push", () => {
  it("packs, uploads, deploys and warns", async () => {
    const model = join(directory, "my-model");
    await mkdir(model);
    await writeFile(
      join(model, "config.yaml"),
      "python_version: py311\nmodel_metadata: {corral: {weights: corral-tiny-3}}\n",
    );
    await writeFile(join(model, ".env"), "SECRET=hunter2");
    const { code, stdout, stderr } = await corral(["push", "my-model", "--output", "text"]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Warning: python_version has no effect[^]*Pushing 1 file[^]*Pushed version ver_9/);
    assert.match(stdout, /^deployment {2}dep_2/);
    const upload = platform.requests.find(({ path }) => path === "/api/v1/versions?model=my-model");
    assert.ok(upload !== undefined && upload.body.length % 512 === 0);
    assert.ok(upload.body.includes("config.yaml") && !upload.body.includes("hunter2"));
    const create = platform.requests.find(
      ({ method, path }) => method === "POST" && path === "/api/v1/deployments",
    );
    assert.deepEqual(JSON.parse(create?.body.toString() ?? ""), { version_id: "ver_9" });
  });

  it("says which deployment answers the model's name and which older ones still run", async () => {
    const list = (production: string) => ({
      items: [
        fakeDeployment({ id: "dep_2", name: "rb-2", production: production === "dep_2" }),
        fakeDeployment({ id: "dep_1", name: "rb", production: production === "dep_1" }),
        fakeDeployment({ id: "dep_3", name: "other", model_id: "mod_2" }),
      ],
      next_cursor: null,
    });
    const pushed = { id: "dep_2", name: "rb-2", model_name: "rb" };
    platform.answers.set("POST /api/v1/deployments", fakeDeployment(pushed));
    platform.answers.set("GET /api/v1/deployments", list("dep_2"));
    const text = await corral(["push", "my-model", "--output", "text"]);
    assert.match(text.stdout, /^model {7}rb: this deployment answers it$/m);
    assert.match(text.stdout, /^also there {2}rb, active; `corral rm rb` removes it$/m);
    assert.doesNotMatch(text.stdout, /other/);
    const json = JSON.parse((await corral(["push", "my-model", "--output", "json"])).stdout);
    assert.equal(json.production, true);
    assert.deepEqual(json.other_deployments, [
      {
        id: "dep_1",
        name: "rb",
        version_id: "ver_1",
        status: "active",
        production: false,
        remove: "corral rm rb",
      },
    ]);
    const starting = fakeDeployment({ ...pushed, status: "starting", production: false });
    platform.answers.set("POST /api/v1/deployments", starting);
    platform.answers.set("GET /api/v1/deployments", list("dep_1"));
    const early = await corral(["push", "my-model", "--no-wait", "--output", "text"]);
    assert.match(early.stdout, /^model {7}rb: this deployment answers it once it is active, until then rb$/m);
  });

  it("lists every mistake of the config with its line and sends nothing", async () => {
    const model = join(directory, "bad");
    await mkdir(model);
    await writeFile(join(model, "config.yaml"), "model_nme: x\nmodel_metadata: {corral: {weight: a.gguf}}\n");
    const { code, stdout, stderr } = await corral(["push", "bad"]);
    assert.equal(code, 6);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /^corral: 3 things are wrong:\n {2}- config\.yaml line 1: .*\n {2}- config\.yaml line 2: .*\n {2}- .*did you mean "weights"\?\n$/,
    );
    assert.deepEqual(platform.requests, []);
  });

  it("tells the platform's reason when the upload is refused half-way", async () => {
    const model = join(directory, "large-model");
    await mkdir(model);
    await writeFile(join(model, "config.yaml"), "model_metadata: {corral: {weights: corral-tiny-3}}\n");
    await writeFile(join(model, "large.bin"), Buffer.alloc(24 << 20, 1));
    const full = createServer((request, response) => {
      if (request.method === "GET") {
        response.end(JSON.stringify({ items: [], next_cursor: null }));
        return;
      }
      const problem = { code: "storage_full", status: 507, title: "No room", detail: "The disk is full." };
      const body = JSON.stringify(problem);
      // As the gateway does: complete at once, and the rest is taken in. A connection that ends with unread bytes is
      // reset, and what was answered may be lost with it.
      request.once("data", () => {
        response.writeHead(507, {
          "content-type": "application/problem+json",
          "content-length": body.length,
          connection: "close",
        });
        response.write(body);
      });
      request.once("end", () => response.end()).once("error", () => response.destroy());
    });
    full.listen(0, "127.0.0.1");
    await once(full, "listening");
    const { port } = full.address() as AddressInfo;
    try {
      const { code, stderr } = await corralProcess(["push", "large-model"], {
        environment: { CORRAL_URL: `http://127.0.0.1:${port}` },
      });
      assert.equal(code, 1, stderr);
      assert.match(stderr, /\ncorral: The disk is full\.\n$/);
    } finally {
      full.close();
      full.closeAllConnections();
    }
  });

  it("says that the key is wrong before it uploads", async () => {
    const { code, stderr } = await corral(["push", "my-model"], {
      environment: { CORRAL_API_KEY: "wrong-key" },
    });
    assert.equal(code, 3);
    assert.match(stderr, /The API key is not valid/);
    assert.ok(platform.requests.every(({ method }) => method === "GET"));
  });
});

describe("corral logs, keys and rm", () => {
  it("prints log lines without what would steer the terminal", async () => {
    assert.equal(
      (await corral(["logs", "corral-tiny-3", "--tail", "5"])).stdout,
      "2026-11-21T00:00:00Z rep_1 ready\ufffd[2J\n",
    );
    assert.equal(platform.requests.at(-1)?.path, "/api/v1/deployments/dep_1/logs?tail=5");
    assert.equal((await corral(["logs", "corral-tiny-3", "--tail", "x"])).code, 2);
  });

  it("reads a secret's value from standard input, and never from its arguments", async () => {
    platform.answers.set("PUT /api/v1/secrets/api_token", {
      name: "api_token",
      created_at: "2026-11-21T00:00:00.000Z",
      updated_at: "2026-11-21T00:00:00.000Z",
    });
    const set = await corral(["secrets", "set", "api_token"], { stdin: "hunter2\n" });
    assert.equal(set.code, 0, set.stderr);
    assert.equal(platform.requests.at(-1)?.body.toString(), '{"value":"hunter2"}');
    assert.doesNotMatch(set.stdout + set.stderr, /hunter2/);
    assert.equal((await corral(["secrets", "set", "api_token", "hunter2"])).code, 2);
    assert.equal((await corral(["secrets", "set", "api_token"], { stdin: "\n" })).code, 2);
  });

  it("shows garbage and its reasons, and takes times as people write them", async () => {
    const item = {
      kind: "logs",
      id: "d1",
      bytes: 2_000,
      last_used_at: "2026-11-01T00:00:00.000Z",
      reason: "old",
    };
    platform.answers.set("POST /api/v1/gc", {
      dry_run: true,
      kinds: [{ kind: "logs", count: 1, bytes: 2_000 }],
      items: [item],
      items_left_out: 3,
      kept: 0,
      warnings: ["not all"],
    });
    const shown = await corral(["gc", "--dry-run", "--older-than", "2w", "--kind", "logs"]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.equal(
      shown.stdout,
      "logs\t1\t2.0 kB\n\nlogs\td1\t2.0 kB\t2026-11-01T00:00:00.000Z\told\nand 3 more\n",
    );
    assert.match(shown.stderr, /not all/);
    assert.equal(
      platform.requests.at(-1)?.body.toString(),
      '{"dry_run":true,"older_than_seconds":1209600,"kinds":["logs"]}',
    );
    assert.equal((await corral(["gc", "--older-than", "soon"])).code, 2);
    assert.equal((await corral(["gc", "--kind", "models"])).code, 2);
  });

  it("prints a new key alone on stdout", async () => {
    const { stdout, stderr } = await corral([
      "keys",
      "create",
      "app",
      "--scope",
      "read",
      "--scope",
      "predict",
      "--expires",
      "2027-01-31",
      "--token-cap",
      "4096",
      "--weight",
      "3",
    ]);
    assert.equal(stdout, "corral_new\n");
    assert.match(stderr, /cannot show it again/);
    assert.deepEqual(JSON.parse(platform.requests[0]?.body.toString() ?? ""), {
      name: "app",
      scopes: ["read", "predict"],
      token_cap: 4096,
      weight: 3,
      expires_at: "2027-01-31T00:00:00.000Z",
    });
    const unknown = await corral(["keys", "create", "app", "--scope", "everything"]);
    assert.equal(unknown.code, 2);
    assert.match(
      unknown.stderr,
      /^corral: option '--scope <scope>' argument 'everything' is invalid\. Allowed choices are admin, read/,
    );
    assert.equal(unknown.stderr.split("is invalid").length, 2, "said once");
    const heavy = await corral(["keys", "create", "app", "--weight", "101"]);
    assert.match(heavy.stderr, /--weight is 101; it must be a whole number from 1 to 100/);
    for (const cap of ["0", "1.5", "many"]) {
      const refused = await corral(["keys", "create", "app", "--token-cap", cap]);
      assert.deepEqual([refused.code, refused.stdout], [2, ""]);
      assert.match(refused.stderr, /--token-cap is/);
    }
  });

  it("deletes only what was named", async () => {
    const byIdentifier = await corral(["rm", "llama-3-8b-instruct"]);
    assert.equal(byIdentifier.code, 2);
    assert.match(byIdentifier.stderr, /leads to dep_1/);
    const { stdout, code } = await corral(["rm", "corral-tiny-3", "--output", "json"]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { deployment: "dep_1", name: "corral-tiny-3", deleted: true });
  });
});
