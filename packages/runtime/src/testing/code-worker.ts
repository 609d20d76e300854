// A code worker in a test: files written to a directory of its own, the worker started on them, calls as promises.

import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createLog } from "../log.ts";
import { startCodeWorker, type CodeSource, type CodeWorker } from "../code-worker/code-worker.ts";
import type { HealthSettings } from "../code-worker/health-watch.ts";
import type { DiskLimit } from "../code-worker/limits-watch.ts";
import { canIsolate, isolatingWords } from "../code-worker/isolation.ts";
import { typescriptProgram } from "../code-worker/typescript/program.ts";
import { workerEnvironment } from "../code-worker/worker-environment.ts";
import type { WorkerProgram } from "../code-worker/worker-process.ts";
import type { OpenLlm } from "../code-worker/worker-life.ts";
import type { CallFailure, CodeCall, RunningCall } from "../code-worker/worker-calls.ts";

export interface TestCodeOptions {
  /** By path in the bundle; `model/model.ts` is run. */
  readonly files: Readonly<Record<string, string>>;
  readonly start?: Partial<CodeSource["start"]>;
  readonly memoryBytes?: number;
  readonly disk?: Omit<DiskLimit, "directory">;
  readonly health?: HealthSettings;
  readonly loadTimeoutMs?: number;
  readonly cancelGraceMs?: number;
  readonly openLlm?: OpenLlm;
  /** Default: that of TypeScript. */
  readonly program?: WorkerProgram;
  readonly variables?: Readonly<Record<string, string>>;
  /** Run it in namespaces of its own, in which these cannot be seen; default: not. */
  readonly hidden?: readonly string[];
}

export interface CodeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly chunks: readonly string[];
  readonly failure: CallFailure | null;
}

export interface TestCode {
  readonly worker: CodeWorker;
  readonly directory: string;
  /** Its home and place for temporary files. */
  readonly scratch: string;
  readonly logLines: readonly Readonly<Record<string, unknown>>[];
  write(path: string, text: string): void;
  source(changes?: Partial<TestCodeOptions>): CodeSource;
  call(body: unknown, changes?: Partial<CodeCall>): Promise<CodeAnswer>;
  open(body: unknown, changes?: Partial<CodeCall>): OpenCodeCall;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface OpenCodeCall {
  readonly running: RunningCall;
  readonly answer: Promise<CodeAnswer>;
  /** When the first piece is there. */
  readonly firstChunk: Promise<string>;
  readonly chunks: readonly string[];
}

export async function startTestCode(options: TestCodeOptions): Promise<TestCode> {
  const directory = mkdtempSync(join(tmpdir(), "corral-code-"));
  const scratch = mkdtempSync(join(tmpdir(), "corral-code-home-"));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  for (const [path, text] of Object.entries(options.files)) write(path, text);
  const logLines: Record<string, unknown>[] = [];
  const log = createLog("debug", (line) => logLines.push(JSON.parse(line) as Record<string, unknown>));
  const source = (changes: Partial<TestCodeOptions> = {}) =>
    testSource(directory, scratch, { ...options, ...changes });
  const remove = () => {
    rmSync(directory, { recursive: true, force: true });
    rmSync(scratch, { recursive: true, force: true });
  };
  const noLlm: OpenLlm = () => ({ call: () => {}, control: () => {}, close: () => {} });
  const worker = await startCodeWorker(
    { source: source(), openLlm: options.openLlm ?? noLlm, log, queueLength: 8 },
    new AbortController().signal,
  ).catch((error: unknown) => {
    remove();
    throw error;
  });
  const open = (body: unknown, changes: Partial<CodeCall> = {}) => openCodeCall(worker, body, changes);
  return {
    worker,
    directory,
    scratch,
    logLines,
    write,
    source,
    open,
    call: (body, changes) => open(body, changes).answer,
    async [Symbol.asyncDispose]() {
      await worker.stop();
      remove();
    },
  };
}

function testSource(directory: string, scratch: string, options: TestCodeOptions): CodeSource {
  const memoryBytes = options.memoryBytes ?? null;
  const program = options.program ?? typescriptProgram({ memoryBytes });
  return {
    process: {
      program,
      workingDirectory: directory,
      environment: workerEnvironment({
        scratchDirectory: scratch,
        variables: options.variables ?? {},
        program: program.environment,
        own: process.env,
      }),
      limits: {
        memoryBytes,
        openFiles: 256,
        processes: 64,
        ...(options.disk === undefined ? {} : { disk: { directory: scratch, ...options.disk } }),
      },
      secrets: [],
      path: process.env["PATH"] ?? "",
      isolation:
        options.hidden === undefined
          ? null
          : isolation(directory, scratch, options.hidden, program.directories),
    },
    ...(options.health === undefined ? {} : { health: options.health }),
    loadTimeoutMs: options.loadTimeoutMs ?? 20_000,
    cancelGraceMs: options.cancelGraceMs ?? 300,
    start: {
      directory,
      file: "model/model.ts",
      data_directory: join(directory, "data"),
      packages_directory: join(directory, "packages"),
      config: {},
      secrets: {},
      environment: null,
      predict_concurrency: 8,
      load_retries: 0,
      has_llm: options.openLlm !== undefined,
      answer_bytes: 1024 ** 2,
      ...options.start,
    },
  };
}

/** Null where this system does not allow it. */
export function isolation(
  directory: string,
  scratch: string,
  hidden: readonly string[],
  kept: readonly string[] = [],
) {
  const options = {
    workingDirectory: directory,
    scratchDirectory: scratch,
    hidden,
    kept,
    mounts: [],
    path: process.env["PATH"] ?? "",
  };
  return canIsolate(options) ? isolatingWords(options) : null;
}

function openCodeCall(worker: CodeWorker, body: unknown, changes: Partial<CodeCall>): OpenCodeCall {
  const chunks: string[] = [];
  const first = Promise.withResolvers<string>();
  const { promise: answer, resolve } = Promise.withResolvers<CodeAnswer>();
  let status = 0;
  let headers: Readonly<Record<string, string>> = {};
  const running = worker.call({
    method: "predict",
    runId: randomUUID(),
    request: { method: "POST", url: "/predict", headers: [] },
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    timeoutMs: 10_000,
    sink: {
      answer: (head, bytes) =>
        resolve({
          status: head.status,
          headers: Object.fromEntries(head.headers),
          text: bytes.toString("utf8"),
          chunks,
          failure: null,
        }),
      begin(head) {
        status = head.status;
        headers = Object.fromEntries(head.headers);
      },
      chunk(bytes) {
        chunks.push(bytes.toString("utf8"));
        first.resolve(chunks[0] ?? "");
      },
      end: () => resolve({ status, headers, text: chunks.join(""), chunks, failure: null }),
      fail: (failure) => resolve({ status, headers, text: chunks.join(""), chunks, failure }),
    },
    ...changes,
  });
  return { running, answer, firstChunk: first.promise, chunks };
}
