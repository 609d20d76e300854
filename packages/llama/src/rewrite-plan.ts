// Which type each matrix of a GGUF gets, before anything is written: llama.cpp is asked by a run that only counts, and
// what it would refuse half-way, or end the process for, is refused here. Source: llama.cpp v0.5.0, llama-quant.cpp.

import {
  quantizationsByImportance,
  ServingError,
  type Quantization,
  type TensorTypeName,
} from "@corral/contract";
import {
  type CheckedGguf,
  type GgufTensor,
  type ImportanceMatrix,
  tensorBytes,
  tensorTypeNamed,
} from "@corral/weights";

import { isTokenEmbedding, needsImportance } from "./file-types.ts";

export interface RewriteChoice {
  readonly quantization: Quantization;
  /** Of the output matrix, which is the token embedding in models that have one for both; default: the recipe's. */
  readonly outputType?: TensorTypeName | undefined;
  readonly tokenEmbeddingType?: TensorTypeName | undefined;
  readonly importanceMatrix?: ImportanceMatrix | undefined;
}

export interface PlannedTensor {
  readonly name: string;
  /** As a GGUF's header has it: "F16". */
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
}

export interface RewritePlan {
  /** In the order in which they are written. */
  readonly tensors: readonly PlannedTensor[];
  /** Of all tensors, without the header. */
  readonly bytes: number;
  /** What is not as the recipe has it, a sentence each. */
  readonly warnings: readonly string[];
}

const outputName = "output.weight";
const embeddingName = "token_embd.weight";
/** What a quantiser reads; anything else has lost something already. */
const unquantizedTypes: ReadonlySet<string> = new Set(["F32", "F16", "BF16"]);
const alignment = 32;

/** Fails with `missing_parameter`; a recipe can be asked before there is a file. */
export function refuseMissingImportance(quantization: Quantization, importanceMatrix: unknown): void {
  if (importanceMatrix !== undefined || !quantizationsByImportance.has(quantization)) return;
  throw new ServingError(
    "missing_parameter",
    `${quantization} needs an importance_matrix, which llama-imatrix makes; give one, or choose iq4_xs, iq3_s or q2_k.`,
  );
}

/**
 * The types to hand to llama.cpp, which does not look whether they do: it ends the process where a row is not whole
 * blocks, and it takes the output matrix's type for a shared embedding with some recipes only. Fails with
 * `invalid_parameter`.
 */
export function explicitTypes(
  { path, tensors }: CheckedGguf,
  { outputType, tokenEmbeddingType }: RewriteChoice,
): Pick<RewriteChoice, "outputType" | "tokenEmbeddingType"> {
  const output = tensors.find(({ name }) => name === outputName);
  const embedding = tensors.find(({ name }) => name === embeddingName);
  const isShared = output === undefined;
  if (isShared && outputType !== undefined && (tokenEmbeddingType ?? outputType) !== outputType) {
    throw new ServingError(
      "invalid_parameter",
      `output_type is ${outputType} and token_embedding_type is ${String(tokenEmbeddingType)}, but ${path} has one matrix for both; give one type.`,
    );
  }
  const embeddingType = tokenEmbeddingType ?? (isShared ? outputType : undefined);
  if (!isShared) refuseUnfitting("output_type", output, outputType);
  refuseUnfitting(
    tokenEmbeddingType === undefined ? "output_type" : "token_embedding_type",
    embedding,
    embeddingType,
  );
  return { outputType: isShared ? undefined : outputType, tokenEmbeddingType: embeddingType };
}

function refuseUnfitting(
  field: string,
  tensor: GgufTensor | undefined,
  typeName: TensorTypeName | undefined,
): void {
  if (typeName === undefined) return;
  const blockLength = tensorTypeNamed(typeName)?.blockLength ?? 1;
  const rowLength = tensor?.shape[0];
  if (tensor === undefined || rowLength === undefined) {
    throw new ServingError("invalid_parameter", `${field} is ${typeName}, but there is no such matrix.`);
  }
  if (rowLength % blockLength === 0) return;
  const remedy = rowLength % 32 === 0 ? "q8_0, q5_0 or q4_0" : "f16";
  throw new ServingError(
    "invalid_parameter",
    `${field} is ${typeName}, but the rows of ${tensor.name} have ${rowLength} elements, which are not whole blocks of ${blockLength}; give ${remedy}.`,
  );
}

const tensorLine =
  /^\[\s*\d+\/\s*\d+\] (\S+)\s+- \[[^\]]*\], type =\s*(\S+), size =\s*[\d.]+ MiB(?: ->\s*[\d.]+ MiB \((\S+)\))?$/;
const fallbackLine =
  /^warning: (\S+)\s+- ncols\s+(\d+) not divisible by\s+(\d+) \(required for type\s+(\S+)\)/;

/**
 * Reads the log of a run that only counts. Fails with `weights_unsupported` for matrices that are quantised already and
 * with `invalid_parameter` where an importance matrix is needed.
 */
export function readPlan(lines: readonly string[], gguf: CheckedGguf, choice: RewriteChoice): RewritePlan {
  const sources = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors: PlannedTensor[] = [];
  for (const line of lines) {
    const [, name = "", from = "", to = from] = tensorLine.exec(line) ?? [];
    const source = sources.get(name);
    if (source === undefined) continue;
    const type = tensorTypeNamed(to);
    if (type === null)
      throw new ServingError("internal", `llama.cpp plans an unknown type, ${to}, for ${name}.`);
    tensors.push({ name, from: source.type, to: type.name, bytes: tensorBytes(source.shape, type) });
  }
  if (tensors.length !== sources.size) {
    throw new ServingError(
      "internal",
      `llama.cpp plans ${tensors.length} of the ${sources.size} tensors of ${gguf.path}.`,
    );
  }
  refuseQuantized(gguf, tensors);
  refuseWithoutImportance(tensors, choice);
  return {
    tensors,
    bytes: tensors.reduce((sum, { bytes }) => sum + Math.ceil(bytes / alignment) * alignment, 0),
    warnings: [
      ...describeFallbacks(lines, tensors),
      ...describeUnmeasured(tensors, choice.importanceMatrix),
      ...describeMissingExperts(tensors, choice.quantization),
    ],
  };
}

function refuseQuantized({ path, fileType }: CheckedGguf, tensors: readonly PlannedTensor[]): void {
  const lossy = tensors.filter(({ from, to }) => from !== to && !unquantizedTypes.has(from));
  const [first] = lossy;
  if (first === undefined) return;
  throw new ServingError(
    "weights_unsupported",
    `${path} is quantised already (${fileType ?? first.from}): ${first.name} is ${first.from}; quantise the f32, f16 or bf16 file that it was made of.`,
  );
}

function refuseWithoutImportance(
  tensors: readonly PlannedTensor[],
  { quantization, importanceMatrix }: RewriteChoice,
): void {
  const first = tensors.find(
    ({ name, from, to }) =>
      from !== to && needsImportance(name, to, quantization) && importanceMatrix?.entries.has(name) !== true,
  );
  if (first === undefined) return;
  throw new ServingError(
    "invalid_parameter",
    `${quantization} makes ${first.name} ${first.to}, and the importance_matrix${importanceMatrix === undefined ? " is missing" : ` ${importanceMatrix.file} has nothing for it`}; measure one of this model with llama-imatrix.`,
  );
}

/** Fallbacks of one kind in one sentence. */
function describeFallbacks(lines: readonly string[], tensors: readonly PlannedTensor[]): string[] {
  const planned = new Map(tensors.map((tensor) => [tensor.name, tensor.to]));
  const groups = new Map<string, string[]>();
  for (const line of lines) {
    const [, name = "", length = "", block = "", wanted = ""] = fallbackLine.exec(line) ?? [];
    const written = planned.get(name);
    if (written === undefined) continue;
    const how = `whole blocks of ${block}: written as ${written}, not ${wanted.toUpperCase()}`;
    const which = `${name} (rows of ${length})`;
    groups.set(how, [...(groups.get(how) ?? []), which]);
  }
  return Array.from(groups, ([how, names]) => {
    const others = names.length === 1 ? "" : ` and ${names.length - 1} others`;
    return `${names[0]}${others} cannot be cut into ${how}.`;
  });
}

function describeUnmeasured(
  tensors: readonly PlannedTensor[],
  importanceMatrix: ImportanceMatrix | undefined,
): string[] {
  if (importanceMatrix === undefined) return [];
  const missing = tensors.filter(
    ({ name, from, to }) =>
      from !== to && !isTokenEmbedding(name) && name !== outputName && !importanceMatrix.entries.has(name),
  );
  const [first] = missing;
  if (first === undefined) return [];
  return [
    `${importanceMatrix.file} has nothing for ${missing.length} matrices (${first.name} is one), which are written without it.`,
  ];
}

function describeMissingExperts(tensors: readonly PlannedTensor[], quantization: Quantization): string[] {
  if (quantization !== "mxfp4_moe" || tensors.some(({ to }) => to === "MXFP4")) return [];
  return ["mxfp4_moe is for the matrices of experts, and this model has none: all become Q8_0."];
}
