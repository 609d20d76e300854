// A Hugging Face directory of a Llama model's shape: random bf16 weights in shards, and a tokenizer of the right size.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { shapes, type LlamaShape } from "../random-llama/shape.ts";
import { createVocabulary } from "../random-llama/vocabulary.ts";
import { randomWeights } from "../random-llama/weights.ts";

export type ProvenShape = "1b" | "7b";

interface Matrix {
  readonly name: string;
  readonly shape: readonly number[];
}

const shardBytes = 2e9;

/** Returns the directory. */
export async function makeLlamaDirectory(name: ProvenShape, directory: string): Promise<string> {
  const shape = shapes[name];
  mkdirSync(directory, { recursive: true });
  const write = (file: string, value: unknown) => writeFileSync(join(directory, file), JSON.stringify(value));
  write("config.json", configOf(name, shape));
  write("tokenizer.json", tokenizerOf(shape));
  write("tokenizer_config.json", {
    bos_token: "<|begin_of_text|>",
    eos_token: "<|eot_id|>",
    tokenizer_class: "PreTrainedTokenizerFast",
  });
  const shards = shardsOf(matricesOf(shape));
  const weightMap: Record<string, string> = {};
  for (const [index, shard] of shards.entries()) {
    const file = `model-${pad(index + 1)}-of-${pad(shards.length)}.safetensors`;
    for (const matrix of shard) weightMap[matrix.name] = file;
    writeShard(join(directory, file), shard);
  }
  write("model.safetensors.index.json", { metadata: {}, weight_map: weightMap });
  return directory;
}

function configOf(name: ProvenShape, shape: LlamaShape): unknown {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: shape.embeddingLength,
    intermediate_size: shape.feedForwardLength,
    num_attention_heads: shape.headCount,
    num_key_value_heads: shape.keyValueHeadCount,
    num_hidden_layers: shape.layerCount,
    vocab_size: shape.vocabularySize,
    rms_norm_eps: 1e-5,
    rope_theta: shape.ropeTheta,
    tie_word_embeddings: shape.tiedEmbeddings,
    max_position_embeddings: shape.contextLength,
    ...(name === "1b"
      ? {
          rope_scaling: {
            factor: 32,
            low_freq_factor: 1,
            high_freq_factor: 4,
            original_max_position_embeddings: 8192,
            rope_type: "llama3",
          },
        }
      : {}),
    torch_dtype: "bfloat16",
  };
}

/** Llama 3's kind, with as many tokens as the model has. */
function tokenizerOf({ vocabularySize }: LlamaShape): unknown {
  const { metadata } = createVocabulary("byte-level", vocabularySize);
  const list = (key: string): readonly string[] => {
    const value = metadata[key];
    return value?.type === "strings" ? value.items : [];
  };
  const tokens = list("tokenizer.ggml.tokens");
  const firstSpecial = tokens.length - 256;
  const regex =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: tokens.slice(firstSpecial).map((content, index) => ({
      id: firstSpecial + index,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: true,
      vocab: Object.fromEntries(tokens.slice(0, firstSpecial).map((token, id) => [token, id])),
      merges: list("tokenizer.ggml.merges"),
    },
  };
}

function matricesOf(shape: LlamaShape): Matrix[] {
  const { embeddingLength: width, feedForwardLength: forward, vocabularySize } = shape;
  const keys = (width / shape.headCount) * shape.keyValueHeadCount;
  const layers = Array.from({ length: shape.layerCount }, (_, layer) => {
    const prefix = `model.layers.${layer}`;
    return [
      { name: `${prefix}.input_layernorm.weight`, shape: [width] },
      { name: `${prefix}.mlp.down_proj.weight`, shape: [width, forward] },
      { name: `${prefix}.mlp.gate_proj.weight`, shape: [forward, width] },
      { name: `${prefix}.mlp.up_proj.weight`, shape: [forward, width] },
      { name: `${prefix}.post_attention_layernorm.weight`, shape: [width] },
      { name: `${prefix}.self_attn.k_proj.weight`, shape: [keys, width] },
      { name: `${prefix}.self_attn.o_proj.weight`, shape: [width, width] },
      { name: `${prefix}.self_attn.q_proj.weight`, shape: [width, width] },
      { name: `${prefix}.self_attn.v_proj.weight`, shape: [keys, width] },
    ];
  });
  return [
    { name: "model.embed_tokens.weight", shape: [vocabularySize, width] },
    ...layers.flat(),
    { name: "model.norm.weight", shape: [width] },
    ...(shape.tiedEmbeddings ? [] : [{ name: "lm_head.weight", shape: [vocabularySize, width] }]),
  ];
}

function shardsOf(matrices: readonly Matrix[]): Matrix[][] {
  const shards: Matrix[][] = [];
  let bytes = shardBytes;
  for (const matrix of matrices) {
    if (bytes + bytesOf(matrix) > shardBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)?.push(matrix);
    bytes += bytesOf(matrix);
  }
  return shards;
}

function bytesOf({ shape }: Matrix): number {
  return 2 * shape.reduce((product, length) => product * length, 1);
}

function writeShard(path: string, matrices: readonly Matrix[]): void {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const matrix of matrices) {
    header[matrix.name] = {
      dtype: "BF16",
      shape: matrix.shape,
      data_offsets: [offset, (offset += bytesOf(matrix))],
    };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  const file = openSync(path, "w");
  try {
    for (const bytes of [length, text]) writeAll(file, bytes);
    for (const matrix of matrices) for (const piece of brainPieces(matrix)) writeAll(file, piece);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
}

const noRows: ReadonlySet<number> = new Set();
/** bf16 of each half. */
const brains = Uint16Array.from(
  new Uint32Array(
    Float32Array.from(new Float16Array(Uint16Array.from({ length: 1 << 16 }, (_, half) => half).buffer))
      .buffer,
  ),
  (bits) => bits >>> 16,
);

function* brainPieces({ name, shape }: Matrix): Iterable<Uint8Array> {
  if (shape.length === 1) return yield new Uint8Array(new Uint16Array(shape[0] ?? 0).fill(0x3f80).buffer);
  for (const piece of randomWeights({ name, shape: shape.toReversed(), type: "F16" }, 1, noRows)) {
    const halves = new Uint16Array(piece.buffer, piece.byteOffset, piece.byteLength / 2);
    for (let index = 0; index < halves.length; index += 1) halves[index] = brains[halves[index] ?? 0] ?? 0;
    yield piece;
  }
}

function pad(number: number): string {
  return String(number).padStart(5, "0");
}
