// Rewriting a GGUF's matrices in another type, on a thread of libuv's pool. Which of them, llama.cpp decides.

import { statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

import { ServingError } from "@corral/contract";
import { checkGguf, checkGgufParts, type CheckedGguf } from "@corral/weights";

import { callAsync } from "./abi.ts";
import type { LlamaAbi, QuantizeParams } from "./abi-types.ts";
import { fileTypeNumbers, tensorTypeNumbers } from "./file-types.ts";
import { copyImportance } from "./importance-memory.ts";
import { openLibrary, type OpenLibrary } from "./library.ts";
import { callLogged } from "./log-lines.ts";
import { expectedQuantizeParams } from "./release.ts";
import {
  explicitTypes,
  readPlan,
  refuseMissingImportance,
  type PlannedTensor,
  type RewriteChoice,
  type RewritePlan,
} from "./rewrite-plan.ts";

/** `general.file_type` of files whose matrices are f16 or bf16. */
const halfPrecisionFileTypes = new Set(["1", "32"]);
/** Rows that are converted at once, as float32 and in both types; the largest matrix of the source is mapped beside. */
const bufferBytes = 128 << 20;
const progressIntervalMs = 200;

export interface RewriteOptions extends RewriteChoice {
  /** A GGUF with f16, bf16 or f32 matrices, or the first of its parts. */
  readonly source: string;
  readonly libraryDirectory?: string | undefined;
}

export interface QuantizeOptions extends RewriteOptions {
  /** Written anew; what is there after a failure is the caller's to remove. */
  readonly target: string;
  /** Default 1. */
  readonly threadCount?: number;
  /** Told the bytes written so far, ascending, at most five times a second. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** True where float32 holds the very same weights, only wider. */
export function isHalfPrecision(metadata: ReadonlyMap<string, string>): boolean {
  return halfPrecisionFileTypes.has(metadata.get("general.file_type") ?? "");
}

/** Writes the matrices as float32 and nothing else, in a process that may be busy with llama.cpp otherwise. */
export async function widenMatrices(abi: LlamaAbi, source: string, target: string): Promise<void> {
  const params = { ...expectedQuantizeParams, ftype: fileTypeNumbers.f32, nthread: 1 };
  const result = await callAsync(abi.llama_model_quantize, source, target, params);
  if (result !== 0) throw unwritable("f32", `code ${result}`);
}

/**
 * What `quantize` would write. Fails with `library_missing` or `library_mismatch`, with `weights_missing`,
 * `weights_unreadable` or `weights_unsupported` for the source, and with `invalid_parameter` or `missing_parameter` for
 * the recipe.
 */
export async function planQuantization(options: RewriteOptions): Promise<RewritePlan> {
  const gguf = await checkGgufParts(options.source);
  return await withRun(gguf, options, async (run) => await makePlan(run, gguf, options));
}

/**
 * Writes a model with its matrices in another type; while it runs, this process does nothing else with llama.cpp. It
 * cannot be stopped before its end. Fails as `planQuantization` before anything is written, and with `storage_full`.
 */
export async function quantize(options: QuantizeOptions): Promise<RewritePlan> {
  const { target, threadCount = 1, onProgress } = options;
  const gguf = await checkGgufParts(options.source);
  return await withRun(gguf, options, async (run) => {
    const plan = await makePlan(run, gguf, options);
    const totalBytes = gguf.dataOffset + plan.bytes;
    await refuseFullDisk(target, totalBytes);
    const watch = onProgress === undefined ? undefined : watchSize(target, totalBytes, onProgress);
    try {
      await run(target, { nthread: threadCount });
    } finally {
      clearInterval(watch);
    }
    await checkWritten(target, plan.tensors);
    return plan;
  });
}

/** Writes a model in several parts as one file, each matrix as it is. Fails as `quantize` does. */
export async function joinParts(
  options: Pick<QuantizeOptions, "source" | "target" | "onProgress" | "libraryDirectory">,
): Promise<void> {
  const { target, onProgress } = options;
  const gguf = await checkGgufParts(options.source);
  const library = openLibrary({ directory: options.libraryDirectory });
  await refuseFullDisk(target, gguf.fileBytes);
  const watch = onProgress === undefined ? undefined : watchSize(target, gguf.fileBytes, onProgress);
  try {
    await runOnce(library, gguf, target, { ...expectedQuantizeParams, only_copy: true, nthread: 1 });
  } finally {
    clearInterval(watch);
  }
  await checkWritten(
    target,
    gguf.tensors.map(({ name, type }) => ({ name, to: type })),
  );
}

async function makePlan(run: Run, gguf: CheckedGguf, choice: RewriteChoice): Promise<RewritePlan> {
  return readPlan(await run("", { dry_run: true }), gguf, choice);
}

/** One run of the quantiser; gives its log. */
type Run = (target: string, changes: Partial<QuantizeParams>) => Promise<readonly string[]>;

async function withRun<Result>(
  gguf: CheckedGguf,
  options: RewriteOptions,
  use: (run: Run) => Promise<Result>,
): Promise<Result> {
  refuseMissingImportance(options.quantization, options.importanceMatrix);
  const { outputType, tokenEmbeddingType } = explicitTypes(gguf, options);
  const library = openLibrary({ directory: options.libraryDirectory });
  using importance = options.importanceMatrix === undefined ? null : copyImportance(options.importanceMatrix);
  const params: QuantizeParams = {
    ...expectedQuantizeParams,
    ftype: fileTypeNumbers[options.quantization],
    max_buf_size: bufferBytes,
    imatrix: importance?.imatrix ?? null,
    kv_overrides: importance?.overrides ?? null,
  };
  if (outputType !== undefined) params.output_tensor_type = tensorTypeNumbers[outputType];
  if (tokenEmbeddingType !== undefined) params.token_embedding_type = tensorTypeNumbers[tokenEmbeddingType];
  return await use((target, changes) => runOnce(library, gguf, target, { ...params, ...changes }));
}

/** The log of one run. Streams of C++ name no reason for a write that fails, so that the disk is asked. */
async function runOnce(
  library: OpenLibrary,
  gguf: CheckedGguf,
  target: string,
  params: QuantizeParams,
): Promise<readonly string[]> {
  const { abi } = library;
  const { result, lines } = await callLogged(library, abi.llama_model_quantize, gguf.path, target, params);
  if (result === 0) return lines;
  const reason = lines.map((line) => /failed to quantize: (.*)/.exec(line)?.[1]).find((found) => found) ?? "";
  if (!reason.includes("iostream error")) {
    throw new ServingError(
      "weights_unreadable",
      `${gguf.path} cannot be quantised: ${reason === "" ? `code ${result}` : reason}.`,
    );
  }
  await refuseFullDisk(target, bufferBytes);
  throw unwritable(target, "the operating system refused a write");
}

function unwritable(target: string, reason: string): ServingError {
  return new ServingError("weights_unreadable", `llama.cpp could not write ${target}: ${reason}.`);
}

/** Fails with `storage_full`, and with what the operating system says of a directory that is not there. */
async function refuseFullDisk(target: string, neededBytes: number): Promise<void> {
  const directory = dirname(target);
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new ServingError(
    "storage_full",
    `${directory} has ${freeBytes} bytes free, and ${neededBytes} are needed to write it; free some space.`,
  );
}

function watchSize(target: string, totalBytes: number, onProgress: (done: number, total: number) => void) {
  let reported = -1;
  return setInterval(() => {
    const doneBytes = Math.min(statSync(target, { throwIfNoEntry: false })?.size ?? 0, totalBytes);
    if (doneBytes <= reported) return;
    reported = doneBytes;
    onProgress(doneBytes, totalBytes);
  }, progressIntervalMs);
}

/** llama.cpp does not always notice a write that failed; the header is written last, so it tells. */
async function checkWritten(
  target: string,
  planned: readonly Pick<PlannedTensor, "name" | "to">[],
): Promise<void> {
  const written = await checkGguf(target);
  const types = new Map(written.tensors.map(({ name, type }) => [name, type]));
  const wrong = planned.find(({ name, to }) => types.get(name) !== to);
  if (wrong === undefined && types.size === planned.length) return;
  throw unwritable(target, `it has not the tensors that were planned (${wrong?.name ?? "too many"})`);
}
