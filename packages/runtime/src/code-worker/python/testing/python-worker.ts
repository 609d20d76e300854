// A Python worker and the replica's end of its stream, for tests: messages out, messages in, nothing interpreted.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { findInterpreters } from "../../../python-environment/find-interpreters.ts";
import { choosePython } from "../../../python-environment/interpreter.ts";
import { runCommand } from "../../../python-environment/run-command.ts";
import { encodeFrame, FrameDecoder } from "../../frames.ts";
import { workerMessageSchema, type ReplicaMessage, type WorkerMessage } from "../../protocol.ts";

export const hostProgram = fileURLToPath(new URL("../host.py", import.meta.url));
const limits = { messageBytes: 2 ** 20, bodyBytes: 2 ** 26 };

export interface Answer {
  readonly head: Extract<WorkerMessage, { kind: "answer" }> | null;
  readonly pieces: readonly Buffer[];
  readonly error: Extract<WorkerMessage, { kind: "error" }> | null;
  readonly closeCode?: number | undefined;
}

export interface Call {
  readonly id: number;
  readonly done: Promise<Answer>;
}

export interface PythonWorker {
  readonly directory: string;
  readonly messages: readonly WorkerMessage[];
  /** What the author's code printed. */
  readonly printed: () => string;
  /** How it ended. */
  readonly ended: Promise<number | string>;
  send(message: ReplicaMessage, body?: Uint8Array): void;
  /** The first message of the kind, past or to come. */
  heard<Kind extends WorkerMessage["kind"]>(kind: Kind): Promise<Extract<WorkerMessage, { kind: Kind }>>;
  call(
    method: string,
    body?: unknown,
    headers?: readonly (readonly [string, string])[],
    url?: string,
    verb?: string,
  ): Call;
  /** Closes the replica's end. */
  hangUp(): void;
  /** Answers the worker's own calls. */
  onCall: (message: Extract<WorkerMessage, { kind: "call" }>, body: Buffer) => void;
}

export interface WorkerFiles {
  /** Path in the bundle → text; `model/model.py` among them. */
  readonly files: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly python: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly start?: Partial<Extract<ReplicaMessage, { kind: "start" }>>;
}

/** That of `CORRAL_TRUSS_PYTHON`, else one of this machine, or null. */
export async function anyPython(): Promise<string | null> {
  const named = process.env["CORRAL_TRUSS_PYTHON"];
  if (named !== undefined) return named;
  const found = await findInterpreters({ run: runCommand, environment: process.env });
  const choice = choosePython(found, { version: null, isStrict: false });
  return choice.kind === "chosen" ? choice.interpreter.path : null;
}

/** Started and told to load; ended with the test. */
export async function startPythonWorker(t: TestContext, given: WorkerFiles): Promise<PythonWorker> {
  const { files, config = {}, python, environment = {}, start = {} } = given;
  const directory = await mkdtemp(join(tmpdir(), "corral-model-"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  const child = spawn(python, ["-s", hostProgram], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", PYTHONDONTWRITEBYTECODE: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  t.after(async () => {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  });
  const printed: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (data: Buffer) => printed.push(data.toString()));
  const stream = child.stdio[3] as Duplex;
  stream.on("error", () => {});
  const ended = once(child, "close").then(([code, signal]) => (code as number | null) ?? (signal as string));

  const messages: WorkerMessage[] = [];
  const listeners = new Set<() => void>();
  const calls = new Map<
    number,
    { pieces: Buffer[]; head: Answer["head"]; resolve: (answer: Answer) => void }
  >();
  const decoder = new FrameDecoder(limits);
  let lastId = 0;

  function follow(message: WorkerMessage, body: Buffer): void {
    if (!("id" in message) || message.kind === "call" || message.kind === "cancel") return;
    const call = calls.get(message.id);
    if (call === undefined) return;
    if (message.kind === "answer") call.head = message;
    if (message.kind === "chunk" || (message.kind === "answer" && !message.stream))
      call.pieces.push(Buffer.from(body));
    const last =
      message.kind === "end" || message.kind === "error" || (message.kind === "answer" && !message.stream);
    if (!last) return;
    calls.delete(message.id);
    const { head, pieces, resolve } = call;
    resolve({
      head,
      pieces,
      error: message.kind === "error" ? message : null,
      ...(message.kind === "end" ? { closeCode: message.close_code } : {}),
    });
  }

  const worker: PythonWorker = {
    directory,
    messages,
    printed: () => printed.join(""),
    ended,
    send: (message, body) => void stream.write(encodeFrame(message, body)),
    heard: async (kind) => {
      for (;;) {
        const found = messages.find((message) => message.kind === kind);
        if (found !== undefined) return found as never;
        await new Promise<void>((resolve, reject) => {
          const listener = () => {
            listeners.delete(listener);
            resolve();
          };
          listeners.add(listener);
          void ended.then((how) =>
            reject(new Error(`ended with ${how} before ${kind}: ${printed.join("")}`)),
          );
        });
      }
    },
    call: (method, body = null, headers = [], url = "/v1/models/model:predict", verb = "POST") => {
      const id = (lastId += 1);
      const done = new Promise<Answer>((resolve, reject) => {
        calls.set(id, { pieces: [], head: null, resolve });
        void ended.then((how) => reject(new Error(`ended with ${how} during a call: ${printed.join("")}`)));
      });
      const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
      const request = { method: verb, url, headers };
      worker.send(
        { kind: "call", id, method: method as "predict", run_id: `run-${id}`, request, timeout_ms: null },
        bytes,
      );
      return { id, done };
    },
    hangUp: () => stream.destroy(),
    onCall: () => {},
  };
  stream.on("data", (data: Buffer) => {
    for (const { message: unchecked, body } of decoder.push(data)) {
      const message = workerMessageSchema.parse(unchecked);
      messages.push(message);
      if (message.kind === "call") worker.onCall(message, Buffer.from(body));
      follow(message, body);
      for (const listener of listeners) listener();
    }
  });
  worker.send({
    kind: "start",
    protocol: 1,
    directory,
    file: "model/model.py",
    class_name: "Model",
    data_directory: join(directory, "data"),
    packages_directory: join(directory, "packages"),
    config,
    secrets: {},
    environment: null,
    predict_concurrency: 1,
    load_retries: 1,
    has_llm: false,
    answer_bytes: 2 ** 24,
    is_restart: false,
    ...start,
  });
  return worker;
}
