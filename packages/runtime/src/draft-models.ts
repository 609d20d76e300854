// The draft models of a replica: weights beside the model's, each with a small context of its own. Knows no drafts.

import { isServingError, ServingError } from "@corral/contract";
import type { ModelRunner } from "@corral/engine";
import { loadLlama, openHardware, type ContextOptions, type Llama } from "@corral/llama";
import { checkGguf } from "@corral/weights";
import { chooseGpuLayers } from "./gpu-layers.ts";
import { libraryOf, type LoadOptions, type ModelReplicaConfig } from "./loaded-model.ts";

export interface DraftModels extends Disposable {
  readonly runners: ReadonlyMap<string, ModelRunner>;
}

export interface DraftModelOptions extends Pick<LoadOptions, "signal" | "log"> {
  readonly means: Pick<ContextOptions, "threadCount" | "stepThreads">;
  /** Whether GPUs hold all of the model: only then may they hold a draft model. */
  readonly offloaded: boolean;
  readonly createRunner: (
    config: ModelReplicaConfig,
    llama: Llama,
    means: Pick<ContextOptions, "threadCount" | "stepThreads" | "memoryLimitBytes">,
  ) => Promise<ModelRunner>;
}

/** Generations that are drafted at a time; what goes beyond is decoded plainly. */
const mostSlots = 8;

/** The shortest context that is tried where memory is short. */
const leastContextLength = 256;

/**
 * Their weights were checked. One whose context does not fit, however short, is left out. Fails with
 * `weights_unreadable`; nothing stays loaded then.
 */
export async function loadDraftModels(
  config: ModelReplicaConfig,
  model: Llama,
  { signal, log, means, offloaded, createRunner }: DraftModelOptions,
): Promise<DraftModels> {
  const loaded = new DisposableStack();
  const runners = new Map<string, ModelRunner>();
  try {
    for (const { name, path } of config.draft_models ?? []) {
      using own = new DisposableStack();
      const float32Weights = config.precision === "reference";
      // The model and the drafts before are in their memory by now.
      const freeBytes = openHardware(libraryOf(config)).gpus.map((gpu) => gpu.freeBytes);
      const gpuLayerCount = offloaded ? await gpuLayers(config, path, freeBytes) : 0;
      const memory =
        gpuLayerCount === 0 ? {} : { memoryLimitBytes: sum(freeBytes) + process.availableMemory() };
      const llama = own.use(await loadLlama({ path, float32Weights, gpuLayerCount, signal }));
      checkVocabulary(name, llama, model);
      try {
        const create = (shorter: ModelReplicaConfig) => createRunner(shorter, llama, { ...means, ...memory });
        runners.set(name, own.use(await createThatFits(draftConfig(config, model, llama), create)));
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        log.warn("a draft model is left out, as its context does not fit", { name, reason: error.message });
        continue;
      }
      loaded.use(own.move());
      log.info("draft model", { name, size_bytes: llama.info.sizeBytes, gpu_layers: gpuLayerCount });
    }
  } catch (error) {
    loaded.dispose();
    throw error;
  }
  return { runners, [Symbol.dispose]: () => loaded.dispose() };
}

function isTooLarge(error: unknown): error is ServingError {
  return isServingError(error) && error.code === "context_too_large";
}

/** Halves the context until it fits: a draft model of short texts only is better than none. */
async function createThatFits(
  config: ModelReplicaConfig,
  create: (config: ModelReplicaConfig) => Promise<ModelRunner>,
): Promise<ModelRunner> {
  let length = config.limits.context_length ?? leastContextLength;
  for (;;) {
    try {
      return await create({ ...config, limits: { ...config.limits, context_length: length } });
    } catch (error) {
      if (!isTooLarge(error) || length <= leastContextLength) throw error;
      length = Math.max(leastContextLength, Math.floor(length / 2));
    }
  }
}

/** All layers where they fit beside the model, else none: a draft that waits for two devices saves nothing. */
async function gpuLayers(
  config: ModelReplicaConfig,
  path: string,
  freeBytes: readonly number[],
): Promise<number> {
  const header = await checkGguf(path);
  const count = chooseGpuLayers(config, header, freeBytes);
  return count > (header.blockCount ?? 0) ? count : 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** The push compared the tokens themselves. */
function checkVocabulary(name: string, { info }: Llama, model: Llama): void {
  if (info.vocabSize === model.info.vocabSize) return;
  throw new ServingError(
    "weights_unreadable",
    `The draft model ${JSON.stringify(name)} has a vocabulary of ${info.vocabSize} tokens, the model one of ` +
      `${model.info.vocabSize}; drafts need the same. Configure another one.`,
  );
}

function draftConfig(config: ModelReplicaConfig, model: Llama, draft: Llama): ModelReplicaConfig {
  const { limits } = config;
  const trained = Math.min(model.info.trainedContextLength, draft.info.trainedContextLength);
  // Its cache is small, and its heads need not be of a length that q8_0 can hold.
  const { cache_type: _, ...ownCache } = config;
  return {
    ...ownCache,
    limits: {
      ...limits,
      context_length: Math.min(limits.context_length ?? trained, trained),
      slot_count: Math.min(mostSlots, limits.slot_count),
      cell_count: null,
    },
  };
}
