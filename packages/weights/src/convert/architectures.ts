// The models that can be converted: what each class of Hugging Face is called in GGUF, and which values its
// configuration has where config.json leaves them out. Source: transformers 5.23.0, configuration_{llama,mistral,
// qwen2,qwen3}.py; llama.cpp v0.5.0, conversion/{llama,qwen}.py.

export interface Architecture {
  /** In GGUF. */
  readonly name: "llama" | "qwen2" | "qwen3";
  /** Rows of the query and key matrices change places: GGUF rotates neighbours, Hugging Face halves. */
  readonly permutesHeads: boolean;
  /** Norms of each head's queries and keys. */
  readonly normalizesHeads: boolean;
  readonly writesVocabularySize: boolean;
  /** Which tokenizers are looked for, in this order. */
  readonly tokenizers: readonly TokenizerKind[];
  readonly defaults: ConfigDefaults;
}

/** SentencePiece's tokenizer.model · its kind in tokenizer.json · byte-level BPE in tokenizer.json. */
export type TokenizerKind = "sentence-piece" | "sentence-piece-json" | "byte-level";

interface ConfigDefaults {
  /** Null: as many as heads. */
  readonly keyValueHeadCount: number | null;
  /** "shared": the width over the heads; null: not said. */
  readonly headLength: number | "shared" | null;
  readonly contextLength: number;
}

const llama: Architecture = {
  name: "llama",
  permutesHeads: true,
  normalizesHeads: false,
  writesVocabularySize: true,
  tokenizers: ["sentence-piece", "sentence-piece-json", "byte-level"],
  defaults: { keyValueHeadCount: null, headLength: "shared", contextLength: 2_048 },
};

const qwen2: Architecture = {
  name: "qwen2",
  permutesHeads: false,
  normalizesHeads: false,
  writesVocabularySize: false,
  tokenizers: ["sentence-piece", "byte-level"],
  defaults: { keyValueHeadCount: 32, headLength: null, contextLength: 32_768 },
};

/** By the class that config.json names. */
export const architectures: Readonly<Record<string, Architecture>> = {
  LlamaForCausalLM: llama,
  LLaMAForCausalLM: llama,
  MistralForCausalLM: {
    ...llama,
    defaults: { keyValueHeadCount: 8, headLength: "shared", contextLength: 131_072 },
  },
  Qwen2ForCausalLM: qwen2,
  Qwen3ForCausalLM: {
    ...qwen2,
    name: "qwen3",
    normalizesHeads: true,
    defaults: { ...qwen2.defaults, headLength: 128 },
  },
};
