// One loaded GGUF: weights, what its header says, and the lifetime that contexts and vocabulary depend on.
// Knows nothing of decoding.

import { basename, resolve } from "node:path";

import { ServingError } from "@corral/contract";
import { checkGguf } from "@corral/weights";

import { allocate, callAsync, free, registerProgressCallback, unregisterCallback, vocabType } from "./abi.ts";
import type { LlamaAbi, ModelParams, Pointer } from "./abi-types.ts";
import { type Adapters, createAdapters } from "./adapters.ts";
import { expectedModelParams } from "./release.ts";
import { diagnoseWeights, refuseUnreadableFile } from "./weights-file.ts";

export interface LoadModelOptions {
  /** A GGUF; of a split one the first part. */
  readonly path: string;
  /** Called with ascending fractions in `[0, 1]`, the last one 1. What it throws cancels the load and comes back. */
  readonly onProgress?: (fraction: number) => void;
  /** Cancels the load; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The file that the caller named, where `path` is one made of it; default: `path`. */
  readonly original?: string;
  /** Adapters of half precision are computed in float32; default false. */
  readonly float32Adapters?: boolean;
  /** Layers that GPUs hold, counted from the output layer backwards; default 0: the processor computes all. */
  readonly gpuLayerCount?: number;
}

/** What a GGUF says of its model. */
export interface ModelInfo {
  readonly architecture: string;
  /** llama.cpp's words for shape and quantisation: "llama 8B Q4_K - Medium". */
  readonly description: string;
  /** Tokens of context the model was trained with. */
  readonly trainedContextLength: number;
  readonly vocabSize: number;
  readonly embeddingLength: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly keyValueHeadCount: number;
  readonly parameterCount: number;
  /** Bytes of all tensors. */
  readonly sizeBytes: number;
  /** Jinja text of the default chat template, or null. */
  readonly chatTemplate: string | null;
  /** Every scalar and string of the GGUF's header as text, by key; arrays are left out, as llama.cpp does. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Loads a GGUF on a thread of libuv's pool, so that the event loop goes on.
 * Fails with `weights_unreadable`, naming the file and the reason.
 */
export async function loadModel(abi: LlamaAbi, options: LoadModelOptions): Promise<LlamaModel> {
  const { signal, gpuLayerCount = 0 } = options;
  signal?.throwIfAborted();
  const path = resolve(options.path);
  refuseUnreadableFile(path);
  const offloaded = gpuLayerCount > 0 && abi.llama_supports_gpu_offload();
  const handle = await (offloaded
    ? loadWatched(abi, path, { ...expectedModelParams, n_gpu_layers: gpuLayerCount }, options)
    : loadWithoutGpu(abi, path, options));
  if (handle === null) throw unreadable(path, diagnoseWeights(abi, path));
  if (signal?.aborted === true) {
    abi.llama_model_free(handle);
    throw signal.reason;
  }
  const model = new LlamaModel(abi, handle, offloaded, {
    file: options.original ?? path,
    float32: options.float32Adapters ?? false,
  });
  const refusal = findUnsupported(abi, handle);
  if (refusal !== null) {
    model[Symbol.dispose]();
    throw unreadable(path, refusal);
  }
  return model;
}

/** An empty list of devices: with the default one a GPU computes large batches even of layers it does not hold. */
async function loadWithoutGpu(
  abi: LlamaAbi,
  path: string,
  options: LoadModelOptions,
): Promise<Pointer | null> {
  const noDevices = allocate(8);
  try {
    const params = { ...expectedModelParams, n_gpu_layers: 0, devices: noDevices.address };
    return await loadWatched(abi, path, params, options);
  } finally {
    noDevices.buffer.transfer(0);
    free(noDevices.address);
  }
}

/** Null where llama.cpp refuses the file. */
async function loadWatched(
  abi: LlamaAbi,
  path: string,
  params: ModelParams,
  { onProgress, signal }: LoadModelOptions,
): Promise<Pointer | null> {
  if (onProgress === undefined && signal === undefined) {
    return callAsync(abi.llama_model_load_from_file, path, params);
  }
  let failure: { readonly reason: unknown } | null = null;
  let reported = -1;
  // The loading thread waits while koffi runs this on the main one, which is free: the call is asynchronous.
  const callback = registerProgressCallback((fraction) => {
    if (signal?.aborted === true) {
      failure = { reason: signal.reason };
      return false;
    }
    if (fraction <= reported) return true;
    reported = fraction;
    try {
      onProgress?.(fraction);
      return true;
    } catch (reason) {
      failure = { reason };
      return false;
    }
  });
  try {
    const handle = await callAsync(abi.llama_model_load_from_file, path, {
      ...params,
      progress_callback: callback,
    });
    const stopped = failure as { readonly reason: unknown } | null;
    if (stopped === null) return handle;
    if (handle !== null) abi.llama_model_free(handle);
    throw stopped.reason;
  } finally {
    unregisterCallback(callback);
  }
}

function unreadable(path: string, reason: string): ServingError {
  return new ServingError("weights_unreadable", `${basename(path)}: ${reason}`);
}

/** Models that load but that the engine cannot drive: their state cannot be cut and shared by position. */
function findUnsupported(abi: LlamaAbi, handle: Pointer): string | null {
  if (abi.llama_vocab_type(abi.llama_model_get_vocab(handle)) === vocabType.none)
    return "it has no vocabulary.";
  if (abi.llama_model_has_encoder(handle))
    return "it is an encoder-decoder model, and only decoders are supported.";
  if (!abi.llama_model_has_decoder(handle)) return "it has no decoder, so it cannot generate.";
  if (abi.llama_model_is_recurrent(handle) || abi.llama_model_is_hybrid(handle)) {
    return "it is a recurrent model, and only models with attention in every layer are supported.";
  }
  if (abi.llama_model_is_diffusion(handle))
    return "it is a diffusion model, which does not generate token by token.";
  return null;
}

/** Owns the native model. Contexts hold it, so that it outlives the last of them whatever the order of disposal. */
export class LlamaModel implements Disposable {
  readonly abi: LlamaAbi;
  readonly info: ModelInfo;
  /** Layers lie on a GPU, whose work goes on after a decode returned. */
  readonly offloaded: boolean;
  readonly adapters: Adapters;
  readonly #handle: Pointer;
  #holderCount = 0;
  #disposed = false;
  #freed = false;

  /** `adapters`: the file whose header they have to fit, and whether they are computed in float32. */
  constructor(
    abi: LlamaAbi,
    handle: Pointer,
    offloaded: boolean,
    adapters: { readonly file: string; readonly float32: boolean },
  ) {
    this.abi = abi;
    this.offloaded = offloaded;
    this.#handle = handle;
    this.adapters = createAdapters({
      abi,
      handle: () => this.handle,
      hold: () => (this.#freed ? null : this.#hold()),
      readBase: () => checkGguf(adapters.file),
      float32: adapters.float32,
    });
    this.info = readInfo(abi, handle);
  }

  /** The native model; fails with `engine_misuse` after disposal. */
  get handle(): Pointer {
    if (this.#disposed)
      throw new ServingError("engine_misuse", "The model is used after it was disposed of.");
    return this.#handle;
  }

  get vocabularyHandle(): Pointer {
    return this.abi.llama_model_get_vocab(this.handle);
  }

  /** Keeps the weights until the returned function is called, once. */
  hold(): () => void {
    if (this.#disposed)
      throw new ServingError("engine_misuse", "The model is used after it was disposed of.");
    return this.#hold();
  }

  #hold(): () => void {
    this.#holderCount += 1;
    return () => {
      this.#holderCount -= 1;
      this.#freeWhenUnused();
    };
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#freeWhenUnused();
  }

  #freeWhenUnused(): void {
    if (!this.#disposed || this.#holderCount > 0) return;
    this.#freed = true;
    this.abi.llama_model_free(this.#handle);
  }
}

function readInfo(abi: LlamaAbi, handle: Pointer): ModelInfo {
  const metadata = readMetadata(abi, handle);
  return Object.freeze({
    architecture: metadata.get("general.architecture") ?? "unknown",
    description: readText((buffer) => abi.llama_model_desc(handle, buffer, buffer.length)),
    trainedContextLength: abi.llama_model_n_ctx_train(handle),
    vocabSize: abi.llama_vocab_n_tokens(abi.llama_model_get_vocab(handle)),
    embeddingLength: abi.llama_model_n_embd(handle),
    layerCount: abi.llama_model_n_layer(handle),
    headCount: abi.llama_model_n_head(handle),
    keyValueHeadCount: abi.llama_model_n_head_kv(handle),
    parameterCount: Number(abi.llama_model_n_params(handle)),
    sizeBytes: Number(abi.llama_model_size(handle)),
    chatTemplate: abi.llama_model_chat_template(handle, null),
    metadata,
  });
}

function readMetadata(abi: LlamaAbi, handle: Pointer): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  const count = abi.llama_model_meta_count(handle);
  for (let index = 0; index < count; index += 1) {
    const key = readText((buffer) => abi.llama_model_meta_key_by_index(handle, index, buffer, buffer.length));
    const value = readText((buffer) =>
      abi.llama_model_meta_val_str_by_index(handle, index, buffer, buffer.length),
    );
    metadata.set(key, value);
  }
  return metadata;
}

/** Runs a native writer that returns the length its text needs, as snprintf does, with a buffer that is big enough. */
function readText(write: (buffer: Uint8Array) => number): string {
  let buffer = Buffer.alloc(256);
  let length = write(buffer);
  if (length >= buffer.length) {
    buffer = Buffer.alloc(length + 1);
    length = write(buffer);
  }
  return buffer.toString("utf8", 0, Math.max(0, length));
}
