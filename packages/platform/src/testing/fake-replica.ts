// A replica for tests, as a program: speaks /predict and the control channel, and does what the call's body asks
// for. Started like the real one: `node fake-replica.ts --config FILE`.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
// Types alone: reading the schemas would be most of its start.
import type {
  ErrorCode,
  ReplicaCodeChange,
  ReplicaConfig,
  ReplicaEnvironment,
  ReportBody,
} from "@corral/contract";

const config = JSON.parse(readFileSync(process.argv[3] ?? "", "utf8")) as ReplicaConfig;
const controlPath = "/_corral/control";
/** The text of its code. */
let served =
  config.code === undefined ? null : readFileSync(join(config.code.directory, config.code.file), "utf8");
/** With which its code began, and what it was told since. */
const environments: unknown[] = [config.code?.environment ?? null];
/** Tests say how it behaves by the model's defaults. */
const behaviour = config.defaults as { exit?: string; load_ms?: number };

if (behaviour.exit === "at_start") {
  process.stderr.write(
    `${JSON.stringify({ level: "error", message: "cannot load", code: "weights_unreadable", detail: "not a GGUF file" })}\n`,
  );
  process.exit(3);
}
if (behaviour.exit === "crash_at_start") {
  process.stderr.write("ggml: something is wrong\n");
  process.exit(134);
}

let channel: Duplex | null = null;
let reportNumber = 0;
let callCount = 0;
const unacknowledged: { number: number; report: ReportBody }[] = [];
const acknowledgements = new Map<number, () => void>();

function report(body: ReportBody): Promise<void> {
  reportNumber += 1;
  const numbered = { number: reportNumber, report: body };
  unacknowledged.push(numbered);
  channel?.write(`${JSON.stringify(numbered)}\n`);
  return new Promise((resolve) => acknowledgements.set(numbered.number, resolve));
}

const server = createServer((request, response) => {
  runningCount += 1;
  void answer(request, response).finally(() => {
    runningCount -= 1;
    if (draining) drain();
  });
});
let runningCount = 0;
let draining = false;
/** Ends of runs that wait, by id. */
const cancels = new Map<string, () => void>();
/** How often a run was begun here. */
const attempts = new Map<string, number>();

/** Ends once nothing runs, and what was answered has had a moment to leave. */
function drain(): void {
  draining = true;
  server.close();
  if (runningCount === 0) setTimeout(() => process.exit(0), 20);
}
/** A websocket of short frames: greets, sends back what it gets, and closes with 4001 when told to. */
function echoSocket(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const send = (opcode: number, body: Buffer) =>
    void socket.write(Buffer.concat([Buffer.from([0x80 | opcode, body.length]), body]));
  send(1, Buffer.from(`${request.method} ${request.url} run ${String(request.headers["x-corral-run-id"])}`));
  socket.on("error", () => {});
  socket.on("close", () => process.stderr.write("the socket closed\n"));
  socket.on("end", () => socket.end());
  socket.on("data", (frame: Buffer) => {
    const body = Buffer.from(frame.subarray(6)).map((byte, index) => byte ^ (frame[2 + (index & 3)] ?? 0));
    if (frame[0] === 0x88) return void socket.end();
    if (Buffer.from(body).toString() === "close") send(8, Buffer.from([4001 >> 8, 4001 & 255]));
    else send(1, Buffer.from(body));
  });
}
server.on("upgrade", (request, socket: Duplex) => {
  if (request.url?.startsWith("/sync/v1/websocket") === true) return echoSocket(request, socket);
  if (request.url !== controlPath) return void socket.destroy();
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: corral-control.1\r\n\r\n",
  );
  channel = socket;
  for (const waiting of unacknowledged) socket.write(`${JSON.stringify(waiting)}\n`);
  let rest = "";
  socket.on("error", () => {});
  socket.on("close", () => (channel = null));
  socket.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(line) as { kind: string; number?: number; run_id?: string };
      if (message.kind === "drain") drain();
      if (message.kind === "cancel") cancels.get(message.run_id ?? "")?.();
      if (message.kind !== "ack") continue;
      while (unacknowledged[0] !== undefined && unacknowledged[0].number <= (message.number ?? 0)) {
        const number = unacknowledged.shift()?.number ?? 0;
        acknowledgements.get(number)?.();
        acknowledgements.delete(number);
      }
    }
  });
  if (reportNumber === 0) {
    void report({
      kind: "ready",
      weights_sha256: config.weights?.sha256 ?? null,
      context_length: 128,
      precision: config.precision,
      load_ms: 1,
      compute: {
        backend: "cpu",
        libraries: "packaged",
        devices: [],
        gpu_layers: 0,
        layer_count: 1,
        threads: 1,
      },
    });
  }
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  let aborted = false;
  response.once("close", () => {
    aborted = !response.writableFinished;
    if (aborted) process.stderr.write("the caller left\n");
  });
  request.on("error", () => {});
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return;
  }
  const body = Buffer.concat(chunks);
  if (request.url === "/adapters") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end('{"names":[],"problems":[]}');
    return;
  }
  if (request.url === "/environment") {
    environments.push((JSON.parse(body.toString()) as ReplicaEnvironment).environment);
    return void response.writeHead(200).end("{}");
  }
  if (request.url === "/code") {
    const { code, keep_state: keepsState } = JSON.parse(body.toString()) as ReplicaCodeChange;
    const text = readFileSync(join(code.directory, code.file), "utf8");
    if (text.includes("kill the replica")) return process.kill(process.pid, "SIGKILL") as never;
    const answer = text.includes("broken")
      ? { kind: "refused", stage: "import", message: "It is broken.", file: code.file, line: 2 }
      : {
          kind: "loaded",
          reload: keepsState ? "state_kept" : "replaced",
          load_ms: 1,
          methods: ["predict"],
          schemas: null,
        };
    if (answer.kind === "loaded") served = text;
    response.writeHead(200, { "content-type": "application/json" });
    return void response.end(JSON.stringify(answer));
  }
  const isJson = /json/.test(request.headers["content-type"] ?? "json");
  const wanted = !isJson
    ? { echo: true }
    : body.length < 65_536
      ? (JSON.parse(body.toString() || "{}") as Record<string, unknown>)
      : {};
  if (typeof wanted["status"] === "number") {
    response.writeHead(wanted["status"], { "content-type": "application/problem+json" });
    return void response.end(JSON.stringify({ code: "invalid_parameter", detail: "It is refused." }));
  }
  const runId = String(request.headers["x-corral-run-id"]);
  const loadMs = Number(request.headers["x-corral-load-ms"] ?? 0);
  const isStored = request.headers["x-corral-store"] === undefined;
  const queuedMs = Number(request.headers["x-corral-queued-ms"] ?? 0);
  const arrivedMs = request.headers["x-corral-arrived-ms"];
  void report({
    kind: "started",
    run_id: runId,
    project_id: String(request.headers["x-corral-project"]),
    key_id: (request.headers["x-corral-key-id"] as string | undefined) ?? null,
    dialect: "corral",
    prompt_tokens: 3,
    sequence_count: 1,
    ...(arrivedMs === undefined ? {} : { arrived_ms: Number(arrivedMs) }),
    follows_text: wanted["stream"] === true,
    ...(isStored ? {} : { stored: false }),
  });
  const keepsAnswer = request.headers["x-corral-keep-answer"] === "1";
  let answered: string | Buffer = "first last";
  let textLength = 0;
  const reportText = (text: string) => {
    if (!isStored) return;
    const usage = { prompt_tokens: 3, cached_tokens: 0, generated_tokens: 1 };
    void report({
      kind: "progress",
      run_id: runId,
      ...usage,
      text: { at: textLength, pieces: [[0, 0, text]] },
    });
    textLength += text.length;
  };
  const attempt = (attempts.get(runId) ?? 0) + 1;
  attempts.set(runId, attempt);
  const finish = (status: "succeeded" | "failed" | "canceled", code: ErrorCode | null) =>
    report({
      kind: "finished",
      run_id: runId,
      status,
      finish_reasons: ["stop"],
      output: isStored ? "done" : null,
      error: code === null ? null : { code, detail: "It is so." },
      usage: { prompt_tokens: 3, cached_tokens: 0, generated_tokens: 2 },
      timings_ms: { queue: queuedMs, load: loadMs, prefill: 1, decode: 1, total: 2 + loadMs + queuedMs },
      ...(keepsAnswer
        ? {
            answer: {
              status: 200,
              content_type: String(response.getHeader("content-type") ?? "text/plain"),
              body_base64: Buffer.from(answered).toString("base64"),
            },
          }
        : {}),
    });
  const failure = wanted["fail"] as { readonly code: ErrorCode; readonly times: number } | undefined;
  if (failure !== undefined && attempt <= failure.times) {
    await finish("failed", failure.code);
    response.writeHead(500, { "content-type": "application/problem+json" });
    return void response.end(JSON.stringify({ code: failure.code, detail: "It fails." }));
  }
  // Once: whoever comes after finds the file.
  if (typeof wanted["die_unless"] === "string" && !existsSync(wanted["die_unless"])) {
    writeFileSync(wanted["die_unless"], "");
    return process.kill(process.pid, "SIGKILL") as never;
  }
  if (typeof wanted["wait_ms"] === "number") {
    const canceled = await new Promise<boolean>((resolve) => {
      cancels.set(runId, () => resolve(true));
      response.once("close", () => resolve(true));
      setTimeout(() => resolve(false), Number(wanted["wait_ms"]));
    });
    if (canceled) {
      await finish("canceled", aborted ? "client_closed" : "aborted");
      response.writeHead(499, { "content-type": "application/problem+json" });
      return void response.end(JSON.stringify({ code: "aborted", detail: "The run was canceled." }));
    }
  }
  if (wanted["die"] === "before") return process.kill(process.pid, "SIGKILL") as never;
  if (wanted["die"] === "between") {
    response.write("half");
    await new Promise((resolve) => setTimeout(resolve, 100));
    return process.kill(process.pid, "SIGKILL") as never;
  }
  if (wanted["stream"] === true) {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("first ");
    reportText("first ");
    await new Promise((resolve) => setTimeout(resolve, Number(wanted["pause_ms"] ?? 300)));
    if (!aborted) response.write("last");
    reportText("last");
  } else if (typeof wanted["flood_bytes"] === "number") {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    const block = Buffer.alloc(65_536, 120);
    let sentBytes = 0;
    while (sentBytes < wanted["flood_bytes"] && !aborted) {
      sentBytes += block.length;
      if (!response.write(block)) await new Promise((resolve) => response.once("drain", resolve));
      if (sentBytes % (1024 * 1024) === 0) process.stderr.write(`sent ${sentBytes}\n`);
    }
  } else {
    response.setHeader("content-type", "application/json");
    response.setHeader("x-seen", JSON.stringify(request.headers));
    response.setHeader("x-asked", `${request.method} ${request.url}`);
    await new Promise((resolve) => setTimeout(resolve, Number(wanted["pause_ms"] ?? 0)));
    answered =
      wanted["echo"] === undefined && body.length < 65_536
        ? JSON.stringify({
            pid: process.pid,
            ...(served === null ? {} : { served }),
            ...(wanted["environments"] === true ? { environments } : {}),
          })
        : body;
    response.write(answered);
  }
  await finish("succeeded", null);
  response.end();
  callCount += 1;
  const { fakeLoad } = await import("./fake-load.ts");
  void report(fakeLoad(callCount));
  void report({ kind: "memory", rss_bytes: 4_096 });
}

// As the real one: without its platform it ends.
setTimeout(() => channel === null && process.exit(1), 4_000).unref();
setTimeout(() => server.listen(config.address.slice("unix:".length)), behaviour.load_ms ?? 0);
