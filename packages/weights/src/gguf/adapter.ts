// A LoRA adapter as a GGUF file: whether it fits a model, by both headers alone. llama.cpp ends the process at some of
// what is refused here.
// Source of the layout: llama.cpp v0.5.0, src/llama-adapter.cpp and llm_graph_context::build_lora_mm.

import { ServingError } from "@corral/contract";
import { readGgufFile, unreadable } from "./check.ts";
import type { GgufHeader, GgufTensor } from "./header.ts";

/** What an adapter has to fit. */
export type AdapterBase = Pick<GgufHeader, "architecture" | "tensors">;

export interface CheckedAdapter {
  readonly path: string;
  readonly fileBytes: number;
  /** The largest of its matrices' ranks. */
  readonly rank: number;
  /** The model's matrices that it changes, by name. */
  readonly targets: readonly string[];
  /** The types of its own matrices, each once. */
  readonly types: readonly string[];
}

/** Numbers of types of metadata values. */
const valueTypes = { f32: 6, string: 8 } as const;
/** Those that converters write; the devices multiply with all of them. */
const matrixTypes: readonly string[] = ["F32", "F16", "BF16", "Q8_0"];
const tokenEmbedding = "token_embd.weight";
const outputMatrix = "output.weight";
/** Matrices that llama.cpp multiplies with an adapter's beside them; it passes over all others. */
const adaptable = /^(token_embd|output|blk\.\d+\.(attn|ffn)_[a-z_]+)\.weight$/;

/**
 * Fails with `weights_missing`, with `weights_unreadable` where the file is no adapter or broken, and with
 * `weights_unsupported` where it does not fit the model, naming the tensor.
 */
export async function checkAdapter(path: string, model: AdapterBase): Promise<CheckedAdapter> {
  const header = await readGgufFile(path);
  const kindProblem = findKindProblem(header);
  if (kindProblem !== null) throw unreadable(path, kindProblem);
  const misfit = (reason: string) =>
    new ServingError("weights_unsupported", `${path} cannot be used with this model: ${reason}.`);
  if (header.metadata.has("adapter.alora.invocation_tokens")) {
    throw misfit("it is an activated LoRA, which acts only after certain tokens; use a plain LoRA adapter");
  }
  if (header.architecture !== model.architecture) {
    throw misfit(
      `it was made for the architecture "${header.architecture}" and the model has "${model.architecture}"`,
    );
  }
  const pairs = new Map<string, Partial<Record<"a" | "b", GgufTensor>>>();
  for (const tensor of header.tensors) {
    const [, name = "", half] = /^(.*)\.lora_([ab])$/.exec(tensor.name) ?? [];
    if (half !== "a" && half !== "b") throw misfit(strangeTensor(tensor.name));
    const problem = findMatrixProblem(tensor);
    if (problem !== null) throw unreadable(path, problem);
    pairs.set(name, { ...pairs.get(name), [half]: tensor });
  }
  if (pairs.size === 0) throw unreadable(path, "it holds no matrices");
  const bases = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  for (const [name, { a, b }] of pairs) {
    if (a === undefined || b === undefined) {
      throw unreadable(path, `${name} has only one of the matrices .lora_a and .lora_b`);
    }
    const base = bases.get(name);
    if (base === undefined) throw misfit(`the model has no tensor ${JSON.stringify(name)}`);
    const problem = findShapeProblem(base, a, b, bases.has(outputMatrix));
    if (problem !== null) throw misfit(problem);
  }
  return {
    path,
    fileBytes: header.fileBytes,
    rank: Math.max(...[...pairs.values()].map(({ b }) => b?.shape[0] ?? 0)),
    targets: [...pairs.keys()],
    types: [...new Set(header.tensors.map(({ type }) => type))],
  };
}

/** Why the file is no LoRA adapter; llama.cpp ends the process at a value of another type than it expects. */
function findKindProblem({ metadata, metadataTypes }: GgufHeader): string | null {
  const kinds = { "general.type": "adapter", "adapter.type": "lora" } as const;
  for (const [key, wanted] of Object.entries(kinds)) {
    const value = metadata.get(key);
    if (value === wanted && metadataTypes.get(key) === valueTypes.string) continue;
    const given =
      typeof value === "string" ? JSON.stringify(value) : value === undefined ? "missing" : "no text";
    return `it is not a LoRA adapter: ${key} is ${given} instead of "${wanted}"`;
  }
  if (metadataTypes.get("general.architecture") !== valueTypes.string)
    return "general.architecture is no text";
  const alpha = metadata.get("adapter.lora.alpha");
  if (alpha === undefined) return null;
  if (metadataTypes.get("adapter.lora.alpha") !== valueTypes.f32 || !Number.isFinite(alpha)) {
    return "adapter.lora.alpha is not a finite float32";
  }
  return null;
}

function strangeTensor(name: string): string {
  const what = JSON.stringify(name);
  return name.endsWith("_norm.weight")
    ? `its tensor ${what} is a norm, which llama.cpp would pass over; make an adapter of matrices only`
    : `its tensor ${what} is none of a LoRA pair (.lora_a, .lora_b)`;
}

function findMatrixProblem({ name, shape, type }: GgufTensor): string | null {
  if (shape.length < 2 || shape.some((length) => length < 1)) return `${name} has the shape ${show(shape)}`;
  if (!matrixTypes.includes(type))
    return `${name} is of the type ${type}; known are ${matrixTypes.join(", ")}`;
  return null;
}

/** `a` and `b` are multiplied as `b · (a · x)`; those of the token embedding lie the other way round. */
function findShapeProblem(
  base: GgufTensor,
  a: GgufTensor,
  b: GgufTensor,
  hasOutputMatrix: boolean,
): string | null {
  if (base.shape.length < 2 || !adaptable.test(base.name))
    return `${JSON.stringify(base.name)} is no matrix that an adapter can change`;
  const [inputLength, outputLength] = base.shape;
  const rank = b.shape[0];
  const isEmbedding = base.name === tokenEmbedding;
  if (isEmbedding && !hasOutputMatrix) {
    return `it changes ${tokenEmbedding}, which is the model's output matrix as well; make one without it`;
  }
  const wantedA = isEmbedding ? [rank, outputLength] : [inputLength, rank];
  const wantedB = [rank, isEmbedding ? inputLength : outputLength];
  const more = base.shape.slice(2);
  for (const [tensor, wanted] of [
    [a, [...wantedA, ...more]],
    [b, [...wantedB, ...more]],
  ] as const) {
    if (show(trimmed(tensor.shape)) === show(trimmed(wanted))) continue;
    return (
      `${tensor.name} has the shape ${show(tensor.shape)}, and ${show(wanted)} is what fits the model's ` +
      `${base.name} of ${show(base.shape)} with rank ${rank}`
    );
  }
  return null;
}

/** Without the trailing ones that a shape may have or not. */
function trimmed(shape: readonly (number | undefined)[]): readonly (number | undefined)[] {
  return shape.slice(0, 1 + shape.findLastIndex((length, index) => index < 2 || length !== 1));
}

function show(shape: readonly (number | undefined)[]): string {
  return `[${shape.join(", ")}]`;
}
