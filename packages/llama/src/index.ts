// The public face of @corral/llama: a model from a file, its vocabulary, and runners over it.
// Nothing that leaves here has a C name or a native address.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ModelRunner, Vocabulary } from "@corral/engine";

import type { DeviceChoice } from "@corral/contract";

import type { LlamaAdapter, LoadAdapterOptions } from "./adapters.ts";
import type { ContextOptions } from "./context.ts";
import { type Device, layerDevices, readDevices } from "./device.ts";
import { openLibrary } from "./library.ts";
import type { Backend } from "./packages.ts";
import { type LlamaModel, type LoadModelOptions, loadModel, type ModelInfo } from "./model.ts";
import { isHalfPrecision, widenMatrices } from "./quantize.ts";
import { release } from "./release.ts";
import { createLlamaRunner } from "./runner.ts";
import { createVocabulary } from "./vocabulary.ts";

export type { LlamaAdapter, LoadAdapterOptions } from "./adapters.ts";
export type { ContextOptions, Precision, StepThreads } from "./context.ts";
export type { Device } from "./device.ts";
export type { LoadModelOptions, ModelInfo } from "./model.ts";
export type { Backend } from "./packages.ts";
export {
  joinParts,
  planQuantization,
  quantize,
  type QuantizeOptions,
  type RewriteOptions,
} from "./quantize.ts";
export {
  refuseMissingImportance,
  type PlannedTensor,
  type RewriteChoice,
  type RewritePlan,
} from "./rewrite-plan.ts";

export interface LoadLlamaOptions extends LoadModelOptions {
  /** Directory of the llama.cpp libraries; default: those npm installed for this platform. */
  readonly libraryDirectory?: string | undefined;
  /** Which installed libraries to use; default: those opened already, else those for the processor. */
  readonly device?: DeviceChoice | undefined;
  /**
   * Compute f16 and bf16 weights as float32, in twice their memory: llama.cpp rounds activations to the weights' type,
   * so that the last bit of a sum, which depends on the batch, grows to 5e-3 on the logits; as float32 it stays below
   * 1e-4. What `reference` precision needs; quantised weights stay as they are. Default false.
   */
  readonly float32Weights?: boolean;
}

/** A loaded model. */
export interface Llama extends Disposable {
  readonly info: ModelInfo;
  readonly vocabulary: Vocabulary;
  /** Several runners may share the weights; each has its own KV cache. Fails with `context_too_large`. */
  createRunner(options: ContextOptions): Promise<ModelRunner>;
  /**
   * Loads a LoRA adapter for all runners over the weights, whose plans may name it from then on. Checks its header
   * first. Fails with `weights_missing`, `weights_unreadable`, `weights_unsupported`, or `engine_misuse` for a key that
   * is there already.
   */
  loadAdapter(options: LoadAdapterOptions): Promise<LlamaAdapter>;
  /** Frees the weights once the last runner is gone too; the vocabulary must not be used any more. */
  [Symbol.dispose](): void;
}

/** What wrote a sequence's state: another release may not read it. */
export const stateFormat = `llama.cpp ${release}`;

/** What would compute here. */
export interface LlamaHardware {
  readonly backend: Backend;
  /** Where the libraries lie. */
  readonly directory: string;
  /** The GPUs that layers can be put on. */
  readonly gpus: readonly Device[];
  readonly processor: Device | null;
  /** Why installed libraries that go before these are not used, one sentence each. */
  readonly passedOver: readonly string[];
}

/** Opens the libraries; what is free is as of now. Fails with `library_missing`, `library_mismatch` or `device_missing`. */
export function openHardware(options: Pick<LoadLlamaOptions, "libraryDirectory" | "device">): LlamaHardware {
  const { abi, backend, directory, passedOver } = openLibrary({
    directory: options.libraryDirectory,
    device: options.device,
  });
  const devices = readDevices(abi);
  return {
    backend,
    directory,
    // Libraries of one's own may know GPUs that are not asked for.
    gpus: backend === "cpu" ? [] : layerDevices(devices),
    processor: devices.find(({ kind }) => kind === "cpu") ?? null,
    passedOver,
  };
}

/** Fails with `library_missing`, `library_mismatch`, `device_missing` or `weights_unreadable`. */
export async function loadLlama(options: LoadLlamaOptions): Promise<Llama> {
  const model = await loadWeights(options);
  return {
    info: model.info,
    vocabulary: createVocabulary(model),
    createRunner: (contextOptions) => createLlamaRunner(model, contextOptions),
    loadAdapter: (adapterOptions) => model.adapters.load(adapterOptions),
    [Symbol.dispose]: () => model[Symbol.dispose](),
  };
}

async function loadWeights(options: LoadLlamaOptions): Promise<LlamaModel> {
  const { abi } = openLibrary({ directory: options.libraryDirectory, device: options.device });
  if (options.float32Weights !== true) return loadModel(abi, options);
  const original = { original: options.path, float32Adapters: true };
  const { onProgress: _, gpuLayerCount: __, ...quietly } = { ...options, ...original };
  // The file is opened as it is first: what is wrong with it is told of the file that the caller named.
  const model = await loadModel(abi, quietly);
  if (!isHalfPrecision(model.info.metadata)) {
    options.onProgress?.(1);
    return model;
  }
  model[Symbol.dispose]();
  const directory = mkdtempSync(join(tmpdir(), "corral-weights-"));
  try {
    const path = join(directory, "float32.gguf");
    await widenMatrices(abi, options.path, path);
    return await loadModel(abi, { ...options, ...original, path });
  } finally {
    // The loaded model maps the file, which lives on without a name until the model is gone.
    rmSync(directory, { recursive: true, force: true });
  }
}
