// Port: one model ready to decode, as the runtime needs it. `llama-model.ts` makes it of a GGUF, tests of a fake.

import type { Compute, ReplicaConfig } from "@corral/contract";
import type { ModelRunner, Vocabulary } from "@corral/engine";
import type { Log } from "./log.ts";

/** Texts of special tokens by the names that chat templates use. */
export type SpecialTokens = Readonly<
  Partial<Record<"bos_token" | "eos_token" | "unk_token" | "pad_token", string>>
>;

export interface LoadedModel extends Disposable {
  readonly vocabulary: Vocabulary;
  readonly runner: ModelRunner;
  /** Of the draft models, by name, each over weights of its own. */
  readonly draftRunners: ReadonlyMap<string, ModelRunner>;
  /**
   * Loads a LoRA adapter for all runners over the weights; plans may name it by `key` until it is disposed of. Fails
   * with `weights_missing`, `weights_changed`, `weights_unreadable` or `weights_unsupported`.
   */
  loadAdapter(adapter: {
    readonly key: string;
    readonly path: string;
    readonly sha256: string;
  }): Promise<AsyncDisposable>;
  /** Another runner over the weights, with a KV cache of its own and always as many threads. The caller disposes it. */
  createExclusiveRunner(): Promise<ModelRunner>;
  /** Jinja text, or null where the model is none for chats. */
  readonly chatTemplate: string | null;
  readonly specialTokens: SpecialTokens;
  /** Names what a sequence's saved state depends on beside weights and precision. */
  readonly stateFormat: string;
  readonly compute: Compute;
}

/** Of a replica that has a model. */
export type ModelReplicaConfig = ReplicaConfig & { readonly weights: NonNullable<ReplicaConfig["weights"]> };

/** Which llama.cpp computes, and on what. */
export function libraryOf({ library_directory, device }: ModelReplicaConfig): {
  readonly libraryDirectory: string | undefined;
  readonly device: ReplicaConfig["device"];
} {
  return { libraryDirectory: library_directory, device };
}

export interface LoadOptions {
  /** Fractions in `[0, 1]`. */
  readonly onProgress: (fraction: number) => void;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Fails with the codes of `weights_*`, `library_*`, `device_missing` and `context_too_large`. */
export type LoadModel = (config: ModelReplicaConfig, options: LoadOptions) => Promise<LoadedModel>;
