// The graph of tensors that llama.cpp computes for a batch with a decoder of Llama's kind, as far as their sizes go.
// Pure. Source: llama.cpp v0.5.0, models/llama.cpp, qwen2.cpp, qwen3.cpp and llama-graph.cpp (build_qkv, build_attn,
// build_attn_mha, build_ffn, build_moe_ffn).

import type { CacheType } from "@corral/contract";
import type { GgufHeader } from "../gguf/header.ts";
import { graphBufferBytes, type GraphTensor } from "./graph-allocator.ts";
import type { ModelShape } from "./model-shape.ts";

export interface ComputeSettings {
  readonly cellCount: number;
  /** Sequences that may be computed in one batch. */
  readonly slotCount: number;
  /** Tokens the device takes at once. */
  readonly microBatchTokenCount: number;
  /** Rows of outputs that a batch may have. */
  readonly rowCount: number;
  readonly cacheType: CacheType;
  readonly flashAttention: boolean;
}

/** Parts of a layer that not every model has. */
interface LayerParts {
  readonly queryBias: boolean;
  readonly keyBias: boolean;
  readonly valueBias: boolean;
  readonly outputBias: boolean;
  readonly queryNorm: boolean;
  readonly keyNorm: boolean;
  readonly fusedQueryKeyValue: boolean;
}

/** Bytes of the "compute buffer" that llama.cpp reserves; it is the same for any number of threads. */
export function computeBufferBytes(header: GgufHeader, shape: ModelShape, settings: ComputeSettings): number {
  const { slotCount, microBatchTokenCount, rowCount } = settings;
  const parts = layerParts(header);
  const layers = fewLayers(shape);
  // As many tokens for every sequence.
  const tokenCount = Math.ceil(microBatchTokenCount / slotCount) * slotCount;
  const batch = describe(tokenCount, Math.min(microBatchTokenCount, rowCount));
  // One token of every sequence is tried as well, and may be more.
  return tokenCount > slotCount ? batch : Math.max(batch, describe(slotCount, slotCount));

  function describe(tokens: number, outputs: number): number {
    return graphBufferBytes(decoderGraph(layers, parts, settings, tokens, outputs));
  }
}

/** Layers that are alike take over each other's room: after a few of them nothing more is needed. */
function fewLayers(shape: ModelShape): ModelShape {
  const { keyValueHeadCounts } = shape;
  const alike = keyValueHeadCounts.every((count) => count === keyValueHeadCounts[0]);
  if (!alike || keyValueHeadCounts.length <= 4) return shape;
  return { ...shape, layerCount: 4, keyValueHeadCounts: keyValueHeadCounts.slice(0, 4) };
}

function layerParts({ tensors }: GgufHeader): LayerParts {
  const names = new Set(tensors.map(({ name }) => name).filter((name) => name.startsWith("blk.0.")));
  const has = (part: string) => names.has(`blk.0.${part}`);
  return {
    queryBias: has("attn_q.bias"),
    keyBias: has("attn_k.bias"),
    valueBias: has("attn_v.bias"),
    outputBias: has("attn_output.bias"),
    queryNorm: has("attn_q_norm.weight"),
    keyNorm: has("attn_k_norm.weight"),
    fusedQueryKeyValue: has("attn_qkv.weight"),
  };
}

type Dimensions = readonly number[];

const weight: GraphTensor = {
  bytes: 0,
  layout: "",
  sources: [],
  viewOf: null,
  kind: "external",
  inPlace: false,
};

const numberBytes = { i32: 4, i64: 8, f16: 2, f32: 4 } as const;
type NumberType = keyof typeof numberBytes;

const make = (
  type: NumberType,
  dimensions: Dimensions,
  sources: readonly GraphTensor[],
  more: Partial<GraphTensor> = {},
): GraphTensor => ({
  bytes: dimensions.reduce((count, length) => count * length, numberBytes[type]),
  layout: `${type} ${dimensions.filter((length) => length !== 1).join("×")}`,
  sources,
  viewOf: null,
  kind: "computed",
  inPlace: false,
  ...more,
});
const input = (type: NumberType, ...dimensions: number[]) => make(type, dimensions, [], { kind: "input" });
/** Its room is never a source's. */
const fresh = (dimensions: Dimensions, ...sources: GraphTensor[]) => make("f32", dimensions, sources);
/** Takes a source's room where that is not needed any more. */
const over = (dimensions: Dimensions, ...sources: GraphTensor[]) =>
  make("f32", dimensions, sources, { inPlace: true });
const view = (of: GraphTensor, ...others: GraphTensor[]): GraphTensor => ({
  ...of,
  sources: [of, ...others],
  viewOf: of.viewOf ?? of,
  kind: "computed",
  inPlace: false,
});

/** The tensors that are put into the graph one after the other. */
function decoderGraph(
  shape: ModelShape,
  parts: LayerParts,
  { cellCount, cacheType, flashAttention }: ComputeSettings,
  tokens: number,
  outputs: number,
): readonly GraphTensor[] {
  const { embeddingLength: width, headCount, keyLength, valueLength, vocabularySize } = shape;
  const ends: GraphTensor[] = [];
  const mostValueLength = Math.max(0, ...shape.keyValueHeadCounts) * valueLength;
  const tokenIds = input("i32", tokens);
  const embeddings = input("f32", width, tokens);
  const positions = input("i32", tokens);
  const keyPlaces = input("i64", tokens);
  const valuePlaces = input("i64", flashAttention ? tokens : tokens * mostValueLength);
  const mask = input(flashAttention ? "f16" : "f32", cellCount, tokens);
  const outputIds = input("i32", outputs);
  const rotation = cacheType === "q8_0" ? rotations(shape) : { key: null, value: null };
  const cache = weight;

  let state = fresh([width, tokens], weight, tokenIds);
  ends.push(state, embeddings);
  for (const [layer, keyValueHeads] of shape.keyValueHeadCounts.entries()) {
    const isLast = layer === shape.layerCount - 1;
    const normed = norm(state, [width, tokens]);
    let { query, key, value } = project(normed, keyValueHeads);
    if (rotation.key !== null) {
      query = rotate(query, rotation.key);
      key = rotate(key, rotation.key);
    }
    if (rotation.value !== null) value = rotate(value, rotation.value);
    ends.push(query, value, key);
    ends.push(view(cache, view(key), keyPlaces), view(cache, view(value), valuePlaces));
    let attended = attend(query);
    ends.push(attended);
    if (rotation.value !== null) attended = rotate(attended, rotation.value);
    let mixed = fresh([width, tokens], weight, attended);
    if (parts.outputBias) mixed = over([width, tokens], mixed, weight);
    const rows = isLast ? outputs : tokens;
    let residual = state;
    if (isLast) {
      mixed = fresh([width, rows], mixed, outputIds);
      residual = fresh([width, rows], residual, outputIds);
    }
    const joined = over([width, rows], mixed, residual);
    const forward = norm(joined, [width, rows]);
    const fed = shape.expertCount > 0 ? mixtureOfExperts(forward, rows) : feedForward(forward, rows);
    state = over([width, rows], fed, joined);
  }
  const result: GraphTensor = { ...norm(state, [width, outputs]), kind: "output" };
  ends.push({ ...fresh([vocabularySize, outputs], weight, result), kind: "output" });
  return ends;

  function norm(of: GraphTensor, dimensions: Dimensions): GraphTensor {
    return over(dimensions, over(dimensions, of), weight);
  }

  function project(normed: GraphTensor, keyValueHeads: number) {
    const lengths = [headCount * keyLength, keyValueHeads * keyLength, keyValueHeads * valueLength] as const;
    const [queryLength, keysLength, valuesLength] = lengths;
    const product = (length: number, bias: boolean) => {
      const matrix = fresh([length, tokens], weight, normed);
      return view(bias ? over([length, tokens], matrix, weight) : matrix);
    };
    let query: GraphTensor, key: GraphTensor, value: GraphTensor;
    if (parts.fusedQueryKeyValue) {
      const whole = fresh([queryLength + keysLength + valuesLength, tokens], weight, normed);
      [query, key, value] = [view(whole), view(whole), view(whole)];
    } else {
      query = product(queryLength, parts.queryBias);
      key = product(keysLength, parts.keyBias);
      value = product(valuesLength, parts.valueBias);
    }
    const turn = (of: GraphTensor, length: number, normalized: boolean) => {
      const dimensions = [length, tokens];
      const before = normalized ? norm(of, dimensions) : of;
      return over(dimensions, before, positions, weight);
    };
    return {
      query: turn(query, queryLength, parts.queryNorm),
      key: turn(key, keysLength, parts.keyNorm),
      value,
    };
  }

  function attend(query: GraphTensor): GraphTensor {
    const heads = view(view(query));
    const length = headCount * valueLength;
    if (flashAttention) return view(fresh([length, tokens], heads, view(cache), view(cache), mask));
    const scores = over(
      [cellCount, tokens, headCount],
      fresh([cellCount, tokens, headCount], view(cache), heads),
      mask,
    );
    return fresh([length, tokens], view(fresh([length, tokens], view(cache), scores)));
  }

  function feedForward(forward: GraphTensor, rows: number): GraphTensor {
    const inner = [shape.feedForwardLength, rows];
    const gated = fresh(inner, fresh(inner, weight, forward), fresh(inner, weight, forward));
    return fresh([width, rows], weight, gated);
  }

  function mixtureOfExperts(forward: GraphTensor, rows: number): GraphTensor {
    const used = Math.max(1, shape.usedExpertCount);
    const scored = [shape.expertCount, rows];
    const chances = over(scored, fresh(scored, weight, forward));
    const order = make("i32", scored, [chances]);
    const chosen = view(order);
    let shares = view(fresh([used, rows], view(chances), chosen));
    shares = view(over([used, rows], shares, over([rows], fresh([rows], shares))));
    ends.push(shares);
    const inner = [shape.expertFeedForwardLength, used, rows];
    const each = view(forward);
    const up = fresh(inner, weight, each, chosen);
    const gated = fresh(inner, fresh(inner, weight, each, chosen), up);
    const experts = over([width, used, rows], fresh([width, used, rows], weight, gated, chosen), shares);
    ends.push(experts);
    const slices = Array.from({ length: used }, () => view(experts));
    ends.push(...slices);
    let sum = slices[0] ?? experts;
    for (const slice of slices.slice(1)) {
      sum = over([width, rows], sum, slice);
      ends.push(sum);
    }
    return used === 1 ? fresh([width, rows], sum) : sum;
  }

  function rotate(of: GraphTensor, by: GraphTensor): GraphTensor {
    return view({ ...fresh([], by, view(of)), bytes: of.bytes, layout: of.layout });
  }
}

/** Hadamard matrices that turn keys and values before they are rounded; null where heads are not a multiple of 64. */
function rotations({ keyLength, valueLength }: ModelShape): {
  readonly key: GraphTensor | null;
  readonly value: GraphTensor | null;
} {
  // A header may lie, and every power of two divides 0.
  const isTurned = (headLength: number) => headLength >= 1 && headLength % 64 === 0;
  let length = 64;
  while (isTurned(keyLength) && keyLength % (length * 2) === 0) length *= 2;
  return {
    key: isTurned(keyLength) ? input("f32", length, length) : null,
    value: isTurned(valueLength) ? input("f32", 64, 64) : null,
  };
}
