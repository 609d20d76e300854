// A GGUF as the runtime's model: weights checked and loaded through `@corral/llama`, with the limits that the
// configuration leaves open filled in from the model and the machine.

import { isServingError, type ReplicaConfig } from "@corral/contract";
import type { ModelRunner } from "@corral/engine";
import { loadLlama, type ContextOptions, type Llama } from "@corral/llama";
import type { LoadedModel, LoadModel, SpecialTokens } from "./loaded-model.ts";
import { chooseThreadCount, readMachine } from "./thread-count.ts";
import { checkWeights } from "./weights-check.ts";

/** Cells of the KV cache where the configuration names no number and the context is shorter. */
const defaultCellCount = 16_384;

export const loadLlamaModel: LoadModel = async (config, { onProgress, signal }) => {
  await checkWeights(config.weights.path, config.weights.sha256);
  signal.throwIfAborted();
  const float32Weights = config.precision === "reference";
  const llama = await loadLlama({ path: config.weights.path, float32Weights, onProgress, signal });
  try {
    const runner = await createRunner(config, llama);
    const model: LoadedModel = {
      vocabulary: llama.vocabulary,
      runner,
      chatTemplate: llama.info.chatTemplate,
      specialTokens: readSpecialTokens(llama),
      [Symbol.dispose]() {
        runner[Symbol.dispose]();
        llama[Symbol.dispose]();
      },
    };
    return model;
  } catch (error) {
    llama[Symbol.dispose]();
    throw error;
  }
};

/** A number of cells that nobody asked for is halved until it fits in memory, down to one full context. */
async function createRunner(config: ReplicaConfig, llama: Llama): Promise<ModelRunner> {
  const contextLength = config.limits.context_length ?? llama.info.trainedContextLength;
  let cellCount = config.limits.cell_count ?? Math.max(contextLength, defaultCellCount);
  for (;;) {
    try {
      return await llama.createRunner(contextOptions(config, llama, contextLength, cellCount));
    } catch (error) {
      const mayShrink = config.limits.cell_count === null && cellCount > contextLength;
      if (!mayShrink || !isServingError(error) || error.code !== "context_too_large") throw error;
      cellCount = Math.max(contextLength, Math.floor(cellCount / 2));
    }
  }
}

function contextOptions(
  { limits, precision }: ReplicaConfig,
  { info }: Llama,
  contextLength: number,
  cellCount: number,
): ContextOptions {
  const maxBatchTokenCount = Math.min(limits.max_batch_tokens, cellCount);
  return {
    slotCount: limits.slot_count,
    cellCount,
    contextLength,
    maxBatchTokenCount,
    threadCount: limits.thread_count ?? chooseThreadCount(readMachine(), info.sizeBytes),
    precision,
    // Plain attention holds a score per head, cell and token of a micro-batch; 128 is as fast as 512 and a quarter of it.
    ...(precision === "reference" ? { microBatchTokenCount: Math.min(128, maxBatchTokenCount) } : {}),
  };
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
