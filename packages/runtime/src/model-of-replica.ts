// What a replica makes of a model that was loaded: its adapters, its chat template, and what is said of it once it is ready.

import type { CodeInterface, Compute, ReplicaConfig, ReportBody } from "@corral/contract";
import { createAdapterTable, type AdapterTable } from "./adapter-table.ts";
import { parseChatTemplate } from "./chat-template.ts";
import type { LoadedModel, ModelReplicaConfig } from "./loaded-model.ts";
import type { Log, LogFields } from "./log.ts";
import type { PredictService } from "./predict.ts";
import { vocabularyBounds } from "./prompt.ts";
import { startRenderer, type Renderer } from "./renderer.ts";

/** The adapters of its version, and those that were added to its deployment. */
export async function loadAdapters(
  { adapters: own = [], added_adapters: added }: ReplicaConfig,
  model: LoadedModel,
  log: Log,
): Promise<AdapterTable> {
  const table = createAdapterTable({ load: (adapter) => model.loadAdapter(adapter), log });
  await table.loadOwn(own);
  if (added !== undefined) await table.setAdded(added);
  return table;
}

/** Fails where the vocabulary or the chat template cannot be used. */
export function servedModel(config: ModelReplicaConfig, model: LoadedModel): PredictService["model"] {
  vocabularyBounds(model.vocabulary);
  const template = templateOf(config, model);
  return {
    vocabulary: model.vocabulary,
    chatTemplate: template === null ? null : parseChatTemplate(template, model.specialTokens),
    contextLength: model.runner.limits.contextLength,
  };
}

/** A thread for long conversations; null: the model has no chat template. */
export function startModelRenderer(
  config: ModelReplicaConfig,
  model: LoadedModel,
  log: Log,
): Renderer | null {
  const template = templateOf(config, model);
  return template === null ? null : startRenderer({ template, specialTokens: model.specialTokens, log });
}

function templateOf(config: ModelReplicaConfig, model: LoadedModel): string | null {
  return model.chatTemplate ?? config.chat_template ?? null;
}

/** `model` is null where the code answers by itself, `code` where there is no code. */
export function readyReport(
  { weights, precision }: ReplicaConfig,
  model: LoadedModel | null,
  code: CodeInterface | null,
  loadMs: number,
): Extract<ReportBody, { kind: "ready" }> {
  return {
    kind: "ready",
    weights_sha256: weights?.sha256 ?? null,
    precision,
    load_ms: loadMs,
    ...(model === null ? {} : { context_length: model.runner.limits.contextLength, compute: model.compute }),
    ...(code === null ? {} : { code }),
  };
}

export function readyFields(model: LoadedModel | null, loadMs: number): LogFields {
  return {
    load_ms: loadMs,
    ...(model === null
      ? {}
      : { context_length: model.runner.limits.contextLength, ...describeCompute(model.compute) }),
  };
}

function describeCompute({
  backend,
  libraries,
  devices,
  gpu_layers,
  layer_count,
  threads,
}: Compute): LogFields {
  const device = devices.map(
    ({ name, description, free_bytes, memory_bytes }) =>
      `${name} (${description}), ${mebibytes(free_bytes)} of ${mebibytes(memory_bytes)} MiB free`,
  );
  return { backend, libraries, device: device.join("; "), gpu_layers, layer_count, threads };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
