// A native context: its KV cache, how large it may be and in which precision it computes.
// Knows no plans; the runner decodes with it.

import { availableParallelism } from "node:os";

import { type CacheType, ServingError } from "@corral/contract";

import type { AttentionModel } from "./attention-passes.ts";
import { callAsync, flashAttention, ggmlType, maxSequenceCount, maxThreadCount, poolingType } from "./abi.ts";
import type { ContextParams, Pointer } from "./abi-types.ts";
import { expectedContextParams } from "./release.ts";
import type { LlamaModel, ModelInfo } from "./model.ts";
import { maxRowCountOf, mostCopiedRowCountOf } from "./row-count.ts";

export interface ContextOptions {
  /** Sequences that may be live at once, in [1, 256]. */
  readonly slotCount: number;
  /** Cells of the KV cache, shared by all slots; rounded up to a multiple of 256. */
  readonly cellCount: number;
  /** Most tokens of one sequence; default: the trained context length, where the cells are enough for it. */
  readonly contextLength?: number;
  /** Most tokens of one step; default 2048, and never more than there are cells. */
  readonly maxBatchTokenCount?: number;
  /** Tokens the device takes at once; default 512, and never more than `maxBatchTokenCount`. */
  readonly microBatchTokenCount?: number;
  /** Most threads that compute; default: 1 for tiny weights, else all processors. More than are really free is slow. */
  readonly threadCount?: number;
  /** Says for every step how many of `threadCount` compute it; default: all. */
  readonly stepThreads?: StepThreads;
  /** `default`: KV in f16, flash attention where it pays. `reference`: KV in f32 and plain attention, as Hugging Face. */
  readonly precision?: Precision;
  /** Default: f16, and f32 for `reference`, which takes no other. */
  readonly cacheType?: CacheType | undefined;
  /** Which sequences of a step are computed apart. Default: as the shape of the weights says; null: none. */
  readonly attention?: AttentionModel | null;
  /** Bytes the context may take; default: what the system or this container has free. */
  readonly memoryLimitBytes?: number;
}

export type Precision = "default" | "reference";

export interface StepThreads {
  /** A step begins; gives its number of threads, at least 1. */
  begin(): number;
  end(): void;
}

const tinyWeightsBytes = 64 * 1024 ** 2;

/** Positions are int32, and cells come in blocks of 256. */
const mostCellCount = 2 ** 31 - 256;

/** Options with every default filled in and every range checked. */
export type ContextSettings = Required<
  Omit<ContextOptions, "memoryLimitBytes" | "stepThreads" | "cacheType" | "attention">
> & { readonly cacheType: CacheType };

/** Fails with `engine_misuse` for a value out of its range and `context_too_large` for too much memory. */
export function resolveContextOptions(info: ModelInfo, options: ContextOptions): ContextSettings {
  checkCount("slotCount", options.slotCount, maxSequenceCount);
  checkCount("cellCount", options.cellCount, Number.MAX_SAFE_INTEGER);
  const cellCount = Math.ceil(options.cellCount / 256) * 256;
  const maxBatchTokenCount = options.maxBatchTokenCount ?? Math.min(2048, cellCount);
  checkCount("maxBatchTokenCount", maxBatchTokenCount, cellCount);
  const microBatchTokenCount = options.microBatchTokenCount ?? Math.min(512, maxBatchTokenCount);
  checkCount("microBatchTokenCount", microBatchTokenCount, maxBatchTokenCount);
  const contextLength = options.contextLength ?? Math.min(info.trainedContextLength, cellCount);
  checkCount("contextLength", contextLength, cellCount);
  const threadCount = options.threadCount ?? defaultThreadCount(info);
  checkCount("threadCount", threadCount, maxThreadCount);
  const precision = options.precision ?? "default";
  const cacheType = options.cacheType ?? (precision === "reference" ? "f32" : "f16");
  if (precision === "reference" && cacheType !== "f32") {
    throw new ServingError(
      "engine_misuse",
      `cacheType is f32 with reference precision, given ${cacheType}; leave it out.`,
    );
  }
  if (cacheType === "q8_0") refuseOddHeads(info);
  const settings = {
    slotCount: options.slotCount,
    cellCount,
    contextLength,
    maxBatchTokenCount,
    microBatchTokenCount,
    threadCount,
    precision,
    cacheType,
  };
  const neededBytes = estimateContextBytes(info, settings);
  const limitBytes = options.memoryLimitBytes ?? process.availableMemory();
  if (neededBytes > limitBytes) {
    throw new ServingError(
      "context_too_large",
      `A context of ${cellCount} cells needs about ${neededBytes} bytes and ${limitBytes} are free. ` +
        "Lower cellCount, maxBatchTokenCount or slotCount.",
    );
  }
  if (cellCount > mostCellCount) {
    throw new ServingError(
      "context_too_large",
      `A context of ${cellCount} cells is over llama.cpp's limit of ${mostCellCount}.`,
    );
  }
  return settings;
}

/**
 * A step of a tiny model is shorter than the threads' barriers are late where a processor is busy:
 * 0.16 ms with one thread and 8 to 300 ms with two, measured on a 0.2 MB model and two loaded cores.
 */
function defaultThreadCount(info: ModelInfo): number {
  return info.sizeBytes < tinyWeightsBytes ? 1 : Math.min(availableParallelism(), maxThreadCount);
}

function checkCount(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new ServingError("engine_misuse", `${name} is an integer in [1, ${most}], given ${value}.`);
}

/** About what a context takes: KV cache with its table of cells, attention scratch, and rows of logits. */
export function estimateContextBytes(info: ModelInfo, settings: ContextSettings): number {
  const { cellCount, microBatchTokenCount, precision, cacheType } = settings;
  const elementBytes = { f32: 4, f16: 2, q8_0: 34 / 32 }[cacheType];
  const { keyLength, valueLength } = headLengths(info);
  const cellBytes = info.layerCount * info.keyValueHeadCount * (keyLength + valueLength) * elementBytes;
  // The table keeps a position and a set of 256 sequences for every cell.
  const tableBytes = 48;
  // Plain attention stores a score per head; flash attention only the mask.
  const scoresPerCell = precision === "reference" ? info.headCount + 1 : 1;
  const scratchBytes = microBatchTokenCount * cellCount * scoresPerCell * 4;
  const rowCount = maxRowCountOf(info, settings);
  const logitsBytes = (Math.min(microBatchTokenCount, rowCount) + rowCount) * info.vocabSize * 4;
  const copiedBytes = mostCopiedRowCountOf(info.vocabSize) * info.vocabSize * 4;
  return Math.ceil(cellCount * (cellBytes + tableBytes) + scratchBytes + logitsBytes + copiedBytes);
}

/** llama.cpp rounds keys and values in blocks of 32, each within a head. */
function refuseOddHeads(info: ModelInfo): void {
  const { keyLength, valueLength } = headLengths(info);
  if (keyLength % 32 === 0 && valueLength % 32 === 0) return;
  throw new ServingError(
    "weights_unsupported",
    `The KV cache cannot be q8_0: the model's heads have ${keyLength} numbers, and it takes multiples of 32. ` +
      "Leave the type out, or give f16.",
  );
}

export function headLengths(info: ModelInfo): { readonly keyLength: number; readonly valueLength: number } {
  const shared = info.embeddingLength / Math.max(1, info.headCount);
  return {
    keyLength: readNumber(info, "attention.key_length") ?? shared,
    valueLength: readNumber(info, "attention.value_length") ?? shared,
  };
}

function readNumber(info: ModelInfo, key: string): number | undefined {
  const text = info.metadata.get(`${info.architecture}.${key}`);
  return text === undefined ? undefined : Number(text);
}

/**
 * Creates the native context on libuv's pool. Its KV cache is unified, so that prefixes can be shared in part.
 * Fails with `context_too_large` where llama.cpp cannot have the memory.
 */
export async function createContext(model: LlamaModel, settings: ContextSettings): Promise<Pointer> {
  const reference = settings.precision === "reference";
  const cacheType = ggmlType[settings.cacheType];
  const params: ContextParams = {
    ...expectedContextParams,
    n_ctx: settings.cellCount,
    n_batch: settings.maxBatchTokenCount,
    n_ubatch: settings.microBatchTokenCount,
    n_seq_max: settings.slotCount,
    n_outputs_max: maxRowCountOf(model.info, settings),
    // A model made for embeddings names a pooling; the engine pools itself.
    pooling_type: poolingType.none,
    n_threads: settings.threadCount,
    n_threads_batch: settings.threadCount,
    flash_attn_type: reference ? flashAttention.disabled : flashAttention.auto,
    type_k: cacheType,
    type_v: cacheType,
    kv_unified: true,
  };
  const { abi } = model;
  const context = await callAsync(abi.llama_init_from_model, model.handle, params);
  if (context === null) {
    throw new ServingError(
      "context_too_large",
      `llama.cpp could not create a context of ${settings.cellCount} cells, about ${estimateContextBytes(model.info, settings)} bytes.`,
    );
  }
  const granted = {
    cellCount: abi.llama_n_ctx(context),
    maxBatchTokenCount: abi.llama_n_batch(context),
    slotCount: abi.llama_n_seq_max(context),
  };
  for (const name of ["cellCount", "maxBatchTokenCount", "slotCount"] as const) {
    if (granted[name] === settings[name]) continue;
    abi.llama_free(context);
    throw new ServingError(
      "library_mismatch",
      `llama.cpp made a context with ${name} ${granted[name]} instead of ${settings[name]}.`,
    );
  }
  return context;
}
