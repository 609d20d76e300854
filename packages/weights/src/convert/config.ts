// config.json of a Hugging Face directory as checked values, with what transformers fills in. Knows no GGUF.

import { join } from "node:path";
import { architectures, type Architecture } from "./architectures.ts";
import { isObject, objectOf, readJson, unreadable, unsupported, type JsonObject } from "./files.ts";

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly layerCount: number;
  readonly contextLength: number;
  readonly embeddingLength: number;
  readonly feedForwardLength: number;
  readonly headCount: number;
  readonly keyValueHeadCount: number;
  /** Null where the model's class does not say. */
  readonly headLength: number | null;
  readonly vocabularySize: number;
  readonly normEpsilon: number;
  readonly rope: RopeConfig;
  /** As written, for what is looked up by name. */
  readonly raw: JsonObject;
}

export interface RopeConfig {
  readonly theta: number;
  /** "default", "linear", "llama3", "yarn", … in small letters. */
  readonly type: string;
  readonly raw: JsonObject;
}

/** Fails with `weights_unreadable` or `weights_unsupported`. */
export async function readModelConfig(directory: string): Promise<ModelConfig> {
  const path = join(directory, "config.json");
  const raw = await readJson(directory, "config.json");
  if (raw === null) throw unreadable(path, "it is missing; give the directory of a Hugging Face model");
  const architecture = architectureOf(raw, path);
  const { defaults } = architecture;
  const count = (key: string, otherwise?: number): number => countOf(raw, key, path, otherwise);

  const embeddingLength = count("hidden_size");
  const headCount = count("num_attention_heads");
  const sharedLength = Math.floor(embeddingLength / headCount);
  const headLength = defaults.headLength === "shared" ? sharedLength : defaults.headLength;
  return {
    architecture,
    layerCount: count("num_hidden_layers"),
    contextLength: count("max_position_embeddings", defaults.contextLength),
    embeddingLength,
    feedForwardLength: count("intermediate_size"),
    headCount,
    keyValueHeadCount: keyValueHeads(raw, path, headCount, defaults.keyValueHeadCount),
    headLength: typeof raw["head_dim"] === "number" ? count("head_dim") : headLength,
    vocabularySize: count("vocab_size"),
    normEpsilon: numberOf(raw, "rms_norm_eps", path, 1e-6),
    rope: readRope(raw, path),
    raw,
  };
}

function architectureOf(raw: JsonObject, path: string): Architecture {
  if ("quantization_config" in raw && raw["quantization_config"] !== null) {
    const method = objectOf(raw["quantization_config"])["quant_method"];
    throw unsupported(
      path,
      `its weights are quantised already (${String(method)}); convert the original weights`,
    );
  }
  const [name] = Array.isArray(raw["architectures"]) ? (raw["architectures"] as unknown[]) : [];
  if (typeof name !== "string")
    throw unreadable(path, "architectures is missing: it does not say which model it is");
  const known = Object.keys(architectures);
  const architecture = Object.hasOwn(architectures, name) ? architectures[name] : undefined;
  if (architecture === undefined) {
    throw unsupported(
      path,
      `the architecture ${JSON.stringify(name)} is not known; known are ${known.join(", ")}`,
    );
  }
  return architecture;
}

/** null in the file means as many as heads, a missing key the class's own number. */
function keyValueHeads(raw: JsonObject, path: string, headCount: number, otherwise: number | null): number {
  if (raw["num_key_value_heads"] === null) return headCount;
  return countOf(raw, "num_key_value_heads", path, otherwise ?? headCount);
}

/** Some files have the context before stretching outside of what else they say of it. */
function readRope(raw: JsonObject, path: string): RopeConfig {
  const stored = isObject(raw["rope_parameters"]) ? raw["rope_parameters"] : objectOf(raw["rope_scaling"]);
  const type = stored["rope_type"] ?? stored["type"] ?? "default";
  if (typeof type !== "string") throw unreadable(path, "the rope_type is no text");
  const theta = numberOf(stored, "rope_theta", path, numberOf(raw, "rope_theta", path, 10_000));
  const outside = raw["original_max_position_embeddings"];
  const original = outside === undefined ? {} : { original_max_position_embeddings: outside };
  return { theta, type: type.toLowerCase(), raw: { ...original, ...stored } };
}

const maxCount = 2 ** 31 - 1;

function countOf(raw: JsonObject, key: string, path: string, otherwise?: number): number {
  const value = raw[key] ?? otherwise;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= maxCount) return value;
  throw unreadable(
    path,
    `${key} is ${JSON.stringify(value) ?? "missing"} and should be a whole number from 1`,
  );
}

/** A number of the file, `otherwise` where it has none. */
export function numberOf(raw: JsonObject, key: string, path: string, otherwise?: number): number {
  const value = raw[key] ?? otherwise;
  if (typeof value === "number") return value;
  throw unreadable(path, `${key} is ${JSON.stringify(value) ?? "missing"} and should be a number`);
}
