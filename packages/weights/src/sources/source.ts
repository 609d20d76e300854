// What a person calls weights that this machine has, as a value; and the errors of everything that reads them.

import { ServingError, type PreparationSource } from "@corral/contract";

export interface LocalSource {
  readonly kind: "gguf" | "model_directory" | "hub_cache" | "ollama";
  /** With real paths: no link is followed after the check. */
  readonly source: Extract<PreparationSource, { kind: "directory" | "gguf" }>;
  /** What a deployment is called unless it says otherwise; usable as a name. */
  readonly name: string;
  /** Of the hub, where the place tells it. */
  readonly repository: string | null;
  /** Its commit. */
  readonly revision: string | null;
  /** Values that came along, by generation_config.json's names; those of a file beside the weights are not repeated. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** The context that came along; null: the model's own. */
  readonly contextLength: number | null;
  /** What came along and has no effect here, a sentence each. */
  readonly warnings: readonly string[];
}

export interface SourceOptions {
  /** What relative paths begin at. */
  readonly directory: string;
  /** HOME and OLLAMA_MODELS are looked at. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The real path of a file or directory that may be read; fails where it is not there or not allowed. */
  readonly realPath: (path: string) => Promise<string>;
}

export function missing(path: string, remedy: string, cause?: unknown): ServingError {
  return new ServingError("weights_missing", `There is no ${path}; ${remedy}.`, { cause });
}

export function unsupported(path: string, reason: string): ServingError {
  return new ServingError("weights_unsupported", `${path} cannot be used: ${reason}.`);
}

export function unreadable(path: string, reason: string, cause?: unknown): ServingError {
  return new ServingError("weights_unreadable", `${path} cannot be used: ${reason}.`, { cause });
}
