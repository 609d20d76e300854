import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startTestReplica, type TestReplica, type TestReplicaOptions } from "./testing/start-test-replica.ts";
import { testCode } from "./testing/test-config.ts";

interface CodeReplica extends Pick<TestReplica, "call" | "open" | "platform" | "logLines"> {
  readonly directory: string;
  [Symbol.asyncDispose](): Promise<void>;
}

interface CodeReplicaOptions extends TestReplicaOptions {
  readonly answerBytes?: number;
}

async function startCode(
  text: string,
  { answerBytes = 1024 ** 2, ...options }: CodeReplicaOptions = {},
): Promise<CodeReplica> {
  const directory = mkdtempSync(join(tmpdir(), "corral-code-test-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, "model"));
  writeFileSync(join(directory, "model/model.ts"), text);
  const { limits, ...code } = testCode(directory);
  const config = { code: { ...code, limits: { ...limits, answer_bytes: answerBytes } }, ...options.config };
  const replica = await startTestReplica({ hasModel: false, ...options, config }).catch((error: unknown) => {
    remove();
    throw error;
  });
  return {
    directory,
    call: (call) => replica.call(call),
    open: (call) => replica.open(call),
    platform: replica.platform,
    logLines: replica.logLines,
    async [Symbol.asyncDispose]() {
      await replica[Symbol.asyncDispose]();
      remove();
    },
  };
}

const every = `
import { HttpError } from "@corral/model";
import { z } from "zod";
export const input = z.object({ do: z.string() });
export async function* pieces() { yield "one "; yield "two"; }
export async function predict({ do: what }: { do: string }) {
  switch (what) {
    case "stream": return pieces();
    case "break": return (async function* () { yield "part"; throw new Error("broken"); })();
    case "throw": throw new TypeError("a secret of the code");
    case "refuse": throw new HttpError(418, { why: "teapot" });
    case "cycle": { const value: Record<string, unknown> = {}; value.self = value; return value; }
    case "respond": return new Response("not here", { status: 404, headers: { "x-own": "yes" } });
    case "bytes": return new Uint8Array([1, 2, 255]);
    case "long": return { text: "x".repeat(300_000) };
    case "long stream": return (async function* () { yield "x".repeat(300_000); })();
    case "exit": process.exit(3);
    default: return { what };
  }
}`;

test("code answers in each family's envelope, and every run is reported once", async () => {
  await using replica = await startCode(every);
  const plain = await replica.call({ body: { do: "a" } });
  assert.equal(plain.status, 200);
  assert.deepEqual(plain.json.result, { what: "a" });
  assert.equal(plain.json.run_id, plain.runId);
  const wrapped = await replica.call({ body: { do: "b" }, dialect: "baseten" });
  assert.deepEqual(wrapped.json, {
    model_id: "model-1",
    model_version_id: "deployment-1",
    model_output: { what: "b" },
  });
  const enveloped = await replica.call({ body: { do: "c" }, dialect: "cerebrium" });
  assert.deepEqual(enveloped.json.result, { what: "c" });
  assert.equal(enveloped.json.message, "Ran successfully");
  const finished = await replica.platform.until("finished", plain.runId);
  assert.equal(finished.status, "succeeded");
  assert.deepEqual(finished.output, { what: "a" });
});

test("failures have the statuses, bodies and headers of the Truss server", async () => {
  await using replica = await startCode(every);
  const call = (body: unknown) => replica.call({ body, dialect: "baseten" });
  const expectations: [unknown, number, string | undefined, unknown][] = [
    ["{", 400, "700", /^Invalid JSON payload: /],
    [{ do: 1 }, 400, "700", /^Input Parsing Error: do: /],
    [{ do: "throw" }, 500, "600", /^Internal Server Error \(in model\/chainlet\)\.$/],
    [{ do: "refuse" }, 418, "600", { why: "teapot" }],
    [{ do: "cycle" }, 500, "500", /^Unhandled exception: TypeError: /],
  ];
  for (const [body, status, code, error] of expectations) {
    const answer = await call(body);
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.headers["x-baseten-error-source"], "04");
    assert.equal(answer.headers["x-baseten-error-code"], code);
    assert.deepEqual(Object.keys(answer.json), ["error"]);
    if (error instanceof RegExp) assert.match(answer.json.error, error);
    else assert.deepEqual(answer.json.error, error);
  }
  const responded = await call({ do: "respond" });
  assert.deepEqual([responded.status, responded.text], [404, "not here"]);
  assert.deepEqual([responded.headers["x-own"], responded.headers["x-baseten-error-code"]], ["yes", "700"]);
  const missing = await replica.call({ body: {}, dialect: "openai", path: "/chat/completions" });
  assert.equal(missing.status, 404);
  assert.match(missing.json.error.message, /`chat_completions` must only be called if model has it\./);
});

test("our own family gets problem details, with the place of what does not fit", async () => {
  await using replica = await startCode(every);
  const answer = await replica.call({ body: { do: 1 } });
  assert.equal(answer.status, 422);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.equal(answer.json.errors[0].pointer, "/do");
  const thrown = await replica.call({ body: { do: "throw" } });
  assert.deepEqual([thrown.status, thrown.json.code], [500, "code_failed"]);
  assert.ok(!thrown.text.includes("secret"), "the code's words are for its log");
  assert.ok(
    replica.logLines.some(
      (line) => line.includes("a secret of the code") && line.includes("model/model.ts:"),
    ),
  );
});

test("a generator streams, is collected for callers that want JSON, and a broken one ends its run as failed", async () => {
  await using replica = await startCode(every);
  const streamed = await replica.call({ body: { do: "stream" }, dialect: "baseten" });
  assert.deepEqual([streamed.status, streamed.text], [200, "one two"]);
  assert.equal(streamed.headers["content-type"], "application/octet-stream");
  const collected = await replica.call({
    body: { do: "stream" },
    dialect: "openai",
    path: "/predict",
    headers: { accept: "application/json" },
  });
  assert.equal(collected.json, "one two");
  const bytes = await replica.call({ body: { do: "bytes" }, dialect: "baseten" });
  assert.equal(bytes.headers["content-length"], "3");
  const broken = await replica.call({ body: { do: "break" }, dialect: "baseten" });
  assert.deepEqual([broken.status, broken.text], [200, "part"]);
  const finished = await replica.platform.until("finished", broken.runId);
  assert.deepEqual([finished.status, finished.error?.code], ["failed", "code_failed"]);
  await assert.rejects(replica.call({ body: { do: "break" } }), "a part is not taken for the whole");
});

test("what nobody waits for is kept whole, whatever it is", async () => {
  await using replica = await startCode(every);
  const outputOf = async (what: string, headers: Record<string, string>) => {
    const { runId } = await replica.call({ body: { do: what }, headers });
    const finished = await replica.platform.until("finished", runId);
    assert.equal(finished.status, "succeeded");
    return finished.output;
  };
  const queued = { "x-corral-queued-ms": "5" };
  assert.deepEqual(await outputOf("long", queued), { text: "x".repeat(300_000) });
  assert.equal(await outputOf("long stream", { "x-corral-keep-output": "1" }), "x".repeat(300_000));
  assert.equal(await outputOf("respond", queued), "not here");
  assert.deepEqual(await outputOf("bytes", queued), {
    content_type: "application/octet-stream",
    base64: "AQL/",
  });
  assert.equal(await outputOf("long", {}), null, "its caller has it");
});

test("a result that nobody waits for and that is too long for its record is no success", async () => {
  // Each of its bytes is six characters of JSON.
  const growing = `export const predict = () => new Uint8Array(9_000_000).fill(1);`;
  await using replica = await startCode(growing, { answerBytes: 10_000_000 });
  const { runId, status } = await replica.call({ body: {}, headers: { "x-corral-queued-ms": "5" } });
  const finished = await replica.platform.until("finished", runId);
  assert.deepEqual(
    [status, finished.status, finished.error?.code, finished.output],
    [500, "failed", "code_failed", null],
  );
});

test("a crash costs the calls of the code alone, and the next call is answered", async () => {
  await using replica = await startCode(every);
  const lost = await replica.call({ body: { do: "exit" } });
  assert.deepEqual([lost.status, lost.json.code], [502, "code_lost"]);
  assert.match(lost.json.detail, /ended with status 3/);
  const next = await replica.call({ body: { do: "on" } });
  assert.deepEqual(next.json.result, { what: "on" });
});

test("code whose syntax Node cannot strip is refused with file and line", async () => {
  await assert.rejects(
    startCode("const a: number = 1;\n\nenum Kind { A }\nexport const predict = () => Kind.A + a;\n"),
    /model\/model\.ts line 3\): SyntaxError: TypeScript enum is not supported in strip-only mode/,
  );
});

test("code beside weights generates with the replica's engine, and its run pays for it", async () => {
  await using replica = await startCode(
    `import { llm } from "@corral/model";
    export async function predict({ prompt, stream }: { prompt: string; stream?: boolean }) {
      if (stream !== true) {
        const { result, usage } = await llm.generate({ prompt, max_new_tokens: 3, do_sample: false });
        return { text: result[0].generated_text, usage, ids: await llm.tokenize(prompt) };
      }
      return (async function* () {
        for await (const { text, done } of llm.stream({ prompt, max_new_tokens: 3, do_sample: false }))
          yield done === undefined ? text : \`|\${done.usage.generated_tokens}\`;
      })();
    }`,
    { hasModel: true },
  );
  const answer = await replica.call({ body: { prompt: "abc" } });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.result.usage.generated_tokens, 3);
  assert.ok(answer.json.result.ids.length > 0);
  const finished = await replica.platform.until("finished", answer.runId);
  assert.deepEqual(finished.usage, answer.json.result.usage);
  const streamed = await replica.call({ body: { prompt: "abc", stream: true } });
  assert.match(streamed.text, /\|3$/);
  const refused = await replica.call({ body: { text: "abc" }, path: "/tokenize" });
  assert.equal(refused.status, 200, "what the code does not do, the model does");
});

test("the platform replaces the code while the weights stay, and a broken edit leaves the old code", async () => {
  await using replica = await startCode(`export const predict = () => "old";`, { hasModel: true });
  const change = (text: string) => {
    writeFileSync(join(replica.directory, "model/model.ts"), text);
    const code = testCode(replica.directory, { config: { text } });
    return replica.call({ path: "/code", body: { code, keep_state: true } });
  };
  const refused = await change(`export const predict = () => {\n  nothing();;\n`);
  assert.deepEqual([refused.status, refused.json.kind, refused.json.stage], [200, "refused", "import"]);
  assert.equal((await replica.call({ body: {} })).json.result, "old");
  const loaded = await change(`export const predict = () => "new";`);
  assert.deepEqual(
    [loaded.json.kind, loaded.json.reload, loaded.json.methods],
    ["loaded", "replaced", ["predict"]],
  );
  assert.equal((await replica.call({ body: {} })).json.result, "new");
});

test("what the code asks wrongly of the model is its own error, with the field", async () => {
  await using replica = await startCode(
    `import { llm } from "@corral/model";
    export async function predict() {
      try { await llm.generate({ prompt: "a", nonsense: 1 }); } catch (error: any) {
        return { code: error.code, pointer: error.errors[0].pointer };
      }
    }`,
    { hasModel: true },
  );
  const { json } = await replica.call({ body: {} });
  assert.deepEqual(json.result, { code: "unknown_parameter", pointer: "/nonsense" });
});

test("a caller that leaves ends what the code computes", async () => {
  await using replica = await startCode(
    `import { llm } from "@corral/model";
    export const predict = () => llm.generate({ prompt: "abc", max_new_tokens: 100000 });`,
    { hasModel: true, config: { limits: { context_length: null } } },
  );
  const call = replica.open({ body: {} });
  await replica.platform.until("started", call.runId);
  call.request.destroy();
  const finished = await replica.platform.until("finished", call.runId);
  assert.deepEqual([finished.status, finished.error?.code], ["canceled", "client_closed"]);
});

test("code is told of the environment it comes into, and begins in it when it is started again", async () => {
  await using replica = await startCode(`
    const heard: string[] = [];
    export const setupEnvironment = ({ name }: { name: string }) => void heard.push(name);
    export const load = ({ environment }: any) => void heard.push("load " + environment?.name);
    export const predict = ({ exit }: { exit?: boolean }) => exit ? process.exit(3) : heard;
  `);
  const tell = (environment: unknown) => replica.call({ path: "/environment", body: { environment } });
  const heard = async () => (await replica.call({ body: {} })).json.result;
  assert.deepEqual(await heard(), ["load undefined"]);
  for (const name of ["production", "production", null, "production"])
    assert.equal((await tell(name === null ? null : { name })).status, 200);
  assert.deepEqual(await heard(), ["load undefined", "production"]);
  assert.equal((await tell("production")).status, 422);
  await replica.call({ body: { exit: true } });
  assert.deepEqual(await heard(), ["production", "load production"]);
});
