// A GGUF as the runtime's model: weights checked and loaded through `@corral/llama`, with the limits that the
// configuration leaves open filled in from the model and the machine.

import { statSync } from "node:fs";
import { basename } from "node:path";
import { isServingError, ServingError, type Compute, type ReplicaConfig } from "@corral/contract";
import type { ModelRunner } from "@corral/engine";
import {
  loadLlama,
  openHardware,
  stateFormat,
  type ContextOptions,
  type Llama,
  type LlamaHardware,
} from "@corral/llama";
import { cellStep, checkGguf } from "@corral/weights";
import { loadDraftModels, type DraftModels } from "./draft-models.ts";
import {
  libraryOf,
  type LoadedModel,
  type LoadModel,
  type LoadOptions,
  type ModelReplicaConfig,
  type SpecialTokens,
} from "./loaded-model.ts";
import { chooseGpuLayers } from "./gpu-layers.ts";
import { freeMemoryBytes, readFitMachine, readMachine } from "./machine.ts";
import { fittingCellCount, plannedContext } from "./planned-context.ts";
import { ThreadBoard } from "./thread-board.ts";
import { chooseThreadCount } from "./thread-count.ts";
import { warmUp } from "./warm-up.ts";
import { checkWeights } from "./weights-check.ts";

export const loadLlamaModel: LoadModel = async (config, options) => {
  const { log, signal } = options;
  await checkWeights(config.weights.path, config.weights.sha256);
  for (const { path, sha256 } of config.draft_models ?? []) await checkWeights(path, sha256);
  signal.throwIfAborted();
  const hardware = openHardware(libraryOf(config));
  for (const reason of hardware.passedOver) log.warn("a device is not used", { reason });
  const freeBytes = hardware.gpus.map((gpu) => gpu.freeBytes);
  const gpuLayerCount =
    freeBytes.length === 0 ? 0 : chooseGpuLayers(config, await checkGguf(config.weights.path), freeBytes);
  try {
    return await openModel(config, options, hardware, gpuLayerCount);
  } catch (error) {
    if (gpuLayerCount === 0 || !isServingError(error) || signal.aborted) throw error;
    const problem = error.code === "decode_failed" ? "compute with" : "hold";
    log.warn(`the GPU cannot ${problem} the model, so the processor computes`, { reason: error.message });
    return await openModel(config, options, hardware, 0);
  }
};

async function openModel(
  config: ModelReplicaConfig,
  { onProgress, signal, log }: LoadOptions,
  hardware: LlamaHardware,
  gpuLayerCount: number,
): Promise<LoadedModel> {
  const float32Weights = config.precision === "reference";
  const { path } = config.weights;
  // Of GPUs' memory llama.cpp knows more, and there it is tried.
  const cellCount = gpuLayerCount > 0 ? undefined : await fittingCellCount(config, readFitMachine());
  const llama = await loadLlama({ path, float32Weights, gpuLayerCount, onProgress, signal });
  let board: ThreadBoard | null = null;
  let runner: ModelRunner | null = null;
  let drafts: DraftModels | null = null;
  try {
    const machine = readMachine();
    const layerCount = llama.info.layerCount + 1;
    const offloaded = gpuLayerCount >= layerCount;
    const threadCount =
      config.limits.thread_count ?? (offloaded ? 1 : chooseThreadCount(machine, llama.info.sizeBytes));
    board = new ThreadBoard({
      directory: config.threads_directory,
      wish: threadCount,
      machine,
      onProblem: (reason) => log.warn("other replicas of this host are not seen", { reason }),
    });
    const memory = gpuLayerCount > 0 ? { memoryLimitBytes: memoryWith(hardware) } : {};
    const shared = { threadCount, stepThreads: board, ...memory };
    runner = await createRunner(config, llama, shared, cellCount);
    if (gpuLayerCount > 0) await warmUp(runner);
    signal.throwIfAborted();
    // A sum's last bits may depend on the number of threads: here it never changes.
    const createExclusiveRunner = () => createRunner(config, llama, { threadCount, ...memory });
    const means = { threadCount, stepThreads: board };
    drafts = await loadDraftModels(config, llama, { signal, log, means, offloaded, createRunner });
    return toLoadedModel(llama, runner, drafts, createExclusiveRunner, board, config.precision, {
      ...describeDevices(hardware, gpuLayerCount),
      libraries: hardware.directory === config.library_directory ? "own" : "packaged",
      layer_count: layerCount,
      threads: threadCount,
    });
  } catch (error) {
    drafts?.[Symbol.dispose]();
    runner?.[Symbol.dispose]();
    board?.[Symbol.dispose]();
    llama[Symbol.dispose]();
    throw error;
  }
}

/** Times the size of an adapter's file: one copy, and where it is widened the file, the wide one, and that one's copy. */
const adapterCopies = { default: 1, reference: 5 } as const;

/**
 * An adapter that memory does not hold would end the process, and again whenever it starts. Fails with
 * `model_too_large`.
 */
function requireRoom(path: string, precision: ReplicaConfig["precision"]): void {
  // One that is gone is told of by whoever reads it.
  const fileBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const [neededBytes, freeBytes] = [fileBytes * adapterCopies[precision], freeMemoryBytes()];
  if (neededBytes <= freeBytes) return;
  throw new ServingError(
    "model_too_large",
    `The adapter ${basename(path)} takes ${neededBytes} bytes, and ${freeBytes} are free; delete another adapter, or deploy with a shorter context.`,
  );
}

function toLoadedModel(
  llama: Llama,
  runner: ModelRunner,
  drafts: DraftModels,
  createExclusiveRunner: () => Promise<ModelRunner>,
  board: ThreadBoard,
  precision: ReplicaConfig["precision"],
  compute: Compute,
): LoadedModel {
  return {
    createExclusiveRunner,
    async loadAdapter({ key, path, sha256 }) {
      requireRoom(path, precision);
      await checkWeights(path, sha256);
      return await llama.loadAdapter({ key, path });
    },
    vocabulary: llama.vocabulary,
    runner,
    draftRunners: drafts.runners,
    chatTemplate: llama.info.chatTemplate,
    specialTokens: readSpecialTokens(llama),
    stateFormat,
    compute,
    [Symbol.dispose]() {
      drafts[Symbol.dispose]();
      runner[Symbol.dispose]();
      board[Symbol.dispose]();
      llama[Symbol.dispose]();
    },
  };
}

function describeDevices(
  { backend, gpus, processor }: LlamaHardware,
  gpuLayerCount: number,
): Pick<Compute, "backend" | "devices" | "gpu_layers"> {
  const used = gpuLayerCount > 0 ? gpus : processor === null ? [] : [processor];
  return {
    backend: gpuLayerCount > 0 ? backend : "cpu",
    devices: used.map(({ name, description, memoryBytes, freeBytes }) => ({
      name,
      description,
      memory_bytes: memoryBytes,
      free_bytes: freeBytes,
    })),
    gpu_layers: gpuLayerCount,
  };
}

/** A context lies where its layers do. */
function memoryWith({ gpus }: LlamaHardware): number {
  return gpus.reduce((sum, { freeBytes }) => sum + freeBytes, freeMemoryBytes());
}

type Means = Pick<ContextOptions, "threadCount" | "stepThreads" | "memoryLimitBytes">;

/**
 * Cells that nobody asked for are halved until they fit in memory, down to one full context: others may have taken
 * memory since it was looked at.
 * @param cellCount those to begin with
 */
async function createRunner(
  config: ModelReplicaConfig,
  llama: Llama,
  means: Means,
  cellCount?: number,
): Promise<ModelRunner> {
  let context = plannedContext(config, llama.info, cellCount);
  for (;;) {
    const { contextLength, cellCount: cells, slotCount, maxBatchTokenCount, cacheType } = context;
    try {
      return await llama.createRunner({
        memoryLimitBytes: freeMemoryBytes(),
        slotCount,
        cellCount: cells,
        contextLength,
        maxBatchTokenCount,
        microBatchTokenCount: context.microBatchTokenCount,
        precision: config.precision,
        cacheType,
        ...means,
      });
    } catch (error) {
      const mayShrink = config.limits.cell_count === null && cells - cellStep >= contextLength;
      if (!mayShrink || !isServingError(error) || error.code !== "context_too_large") throw error;
      context = plannedContext(config, llama.info, Math.max(contextLength, Math.floor(cells / 2)));
    }
  }
}

function readSpecialTokens({ info, vocabulary }: Llama): SpecialTokens {
  const text = (id: number | null) =>
    id === null ? undefined : Buffer.from(vocabulary.bytesOf(id)).toString("utf8");
  const named = (key: string) => {
    const value = info.metadata.get(`tokenizer.ggml.${key}_token_id`);
    return value === undefined ? undefined : text(Number(value));
  };
  const tokens = {
    bos_token: text(vocabulary.bosId),
    eos_token: named("eos"),
    unk_token: named("unknown"),
    pad_token: named("padding"),
  };
  return Object.fromEntries(Object.entries(tokens).filter(([, token]) => token !== undefined));
}
