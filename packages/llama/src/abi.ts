// The C interface of llama.cpp v0.5.0 as koffi sees it: structs in header order, signatures, constants, raw
// memory. The only file that imports koffi. Checks nothing and knows no meaning: callers validate first.

import koffi from "koffi";

/** Address of native memory or of an opaque native object; never 0 (koffi gives `null` for that). */
export type Pointer = bigint;

// Native code runs on koffi's stacks. Its default for asynchronous calls, 128 KiB, is less than the C++
// side may use while it parses a model or splits a text, so both are as large as a main thread's.
koffi.config({ sync_stack_size: 8 << 20, async_stack_size: 8 << 20, resident_async_pools: 1 });

/** `llama_model_params`, 80 bytes. */
export interface ModelParams {
  devices: Pointer | null;
  tensor_buft_overrides: Pointer | null;
  n_gpu_layers: number;
  split_mode: number;
  load_mode: number;
  lazy_mode: number;
  main_gpu: number;
  tensor_split: Pointer | null;
  progress_callback: Pointer | null;
  progress_callback_user_data: Pointer | null;
  kv_overrides: Pointer | null;
  vocab_only: boolean;
  check_tensors: boolean;
  use_extra_bufts: boolean;
  no_host: boolean;
  no_alloc: boolean;
  load_mtp: boolean;
}

/** `llama_context_params`, 160 bytes. */
export interface ContextParams {
  n_ctx: number;
  n_batch: number;
  n_ubatch: number;
  n_seq_max: number;
  n_rs_seq: number;
  n_outputs_max: number;
  n_outputs_max_per_seq: number;
  n_threads: number;
  n_threads_batch: number;
  ctx_type: number;
  rope_scaling_type: number;
  pooling_type: number;
  attention_type: number;
  flash_attn_type: number;
  rope_freq_base: number;
  rope_freq_scale: number;
  yarn_ext_factor: number;
  yarn_attn_factor: number;
  yarn_beta_fast: number;
  yarn_beta_slow: number;
  yarn_orig_ctx: number;
  defrag_thold: number;
  cb_eval: Pointer | null;
  cb_eval_user_data: Pointer | null;
  type_k: number;
  type_v: number;
  abort_callback: Pointer | null;
  abort_callback_data: Pointer | null;
  embeddings: boolean;
  offload_kqv: boolean;
  no_perf: boolean;
  op_offload: boolean;
  swa_full: boolean;
  kv_unified: boolean;
  samplers: Pointer | null;
  n_samplers: number;
  ctx_other: Pointer | null;
}

/** `llama_model_quantize_params`, 64 bytes. */
export interface QuantizeParams {
  nthread: number;
  ftype: number;
  output_tensor_type: number;
  token_embedding_type: number;
  allow_requantize: boolean;
  quantize_output_tensor: boolean;
  only_copy: boolean;
  pure: boolean;
  keep_split: boolean;
  dry_run: boolean;
  imatrix: Pointer | null;
  kv_overrides: Pointer | null;
  tt_overrides: Pointer | null;
  prune_layers: Pointer | null;
  max_buf_size: number;
}

/** `llama_batch`, 56 bytes; passed by value. */
export interface BatchStruct {
  n_tokens: number;
  token: Pointer;
  embd: null;
  pos: Pointer;
  n_seq_id: Pointer;
  seq_id: Pointer;
  logits: Pointer;
}

const modelParams = koffi.struct({
  devices: "void *",
  tensor_buft_overrides: "void *",
  n_gpu_layers: "int32_t",
  split_mode: "int32_t",
  load_mode: "int32_t",
  lazy_mode: "int32_t",
  main_gpu: "int32_t",
  tensor_split: "void *",
  progress_callback: "void *",
  progress_callback_user_data: "void *",
  kv_overrides: "void *",
  vocab_only: "bool",
  check_tensors: "bool",
  use_extra_bufts: "bool",
  no_host: "bool",
  no_alloc: "bool",
  load_mtp: "bool",
} satisfies Record<keyof ModelParams, string>);

const contextParams = koffi.struct({
  n_ctx: "uint32_t",
  n_batch: "uint32_t",
  n_ubatch: "uint32_t",
  n_seq_max: "uint32_t",
  n_rs_seq: "uint32_t",
  n_outputs_max: "uint32_t",
  n_outputs_max_per_seq: "uint32_t",
  n_threads: "int32_t",
  n_threads_batch: "int32_t",
  ctx_type: "int32_t",
  rope_scaling_type: "int32_t",
  pooling_type: "int32_t",
  attention_type: "int32_t",
  flash_attn_type: "int32_t",
  rope_freq_base: "float",
  rope_freq_scale: "float",
  yarn_ext_factor: "float",
  yarn_attn_factor: "float",
  yarn_beta_fast: "float",
  yarn_beta_slow: "float",
  yarn_orig_ctx: "uint32_t",
  defrag_thold: "float",
  cb_eval: "void *",
  cb_eval_user_data: "void *",
  type_k: "int32_t",
  type_v: "int32_t",
  abort_callback: "void *",
  abort_callback_data: "void *",
  embeddings: "bool",
  offload_kqv: "bool",
  no_perf: "bool",
  op_offload: "bool",
  swa_full: "bool",
  kv_unified: "bool",
  samplers: "void *",
  n_samplers: "size_t",
  ctx_other: "void *",
} satisfies Record<keyof ContextParams, string>);

const quantizeParams = koffi.struct({
  nthread: "int32_t",
  ftype: "int32_t",
  output_tensor_type: "int32_t",
  token_embedding_type: "int32_t",
  allow_requantize: "bool",
  quantize_output_tensor: "bool",
  only_copy: "bool",
  pure: "bool",
  keep_split: "bool",
  dry_run: "bool",
  imatrix: "void *",
  kv_overrides: "void *",
  tt_overrides: "void *",
  prune_layers: "void *",
  max_buf_size: "uint64_t",
} satisfies Record<keyof QuantizeParams, string>);

const batchStruct = koffi.struct({
  n_tokens: "int32_t",
  token: "void *",
  embd: "void *",
  pos: "void *",
  n_seq_id: "void *",
  seq_id: "void *",
  logits: "void *",
} satisfies Record<keyof BatchStruct, string>);

const ggufInitParams = koffi.struct({ no_alloc: "bool", ctx: "void *" });
const progressCallback = koffi.pointer(koffi.proto("bool", ["float", "void *"]));
const logCallback = koffi.pointer(koffi.proto("void", ["int32_t", "str", "void *"]));

/** Sizes in bytes of the structs as declared above. */
export const structSizesBytes = {
  model_params: koffi.sizeof(modelParams),
  context_params: koffi.sizeof(contextParams),
  quantize_params: koffi.sizeof(quantizeParams),
  batch: koffi.sizeof(batchStruct),
};
export const ggmlType = { f32: 0, f16: 1, q8_0: 8 } as const;
export const poolingType = { none: 0 } as const;
export const flashAttention = { auto: -1, disabled: 0 } as const;
/** `ggml_backend_dev_type`. */
export const deviceType = { cpu: 0, gpu: 1, integratedGpu: 2 } as const;
export const vocabType = { none: 0, sentencePiece: 1 } as const;
export const tokenAttribute = { unknown: 1 << 0, control: 1 << 3 } as const;
/** `LLAMA_MAX_SEQ` and `GGML_MAX_N_THREADS`, compiled into the library. */
export const maxSequenceCount = 256;
export const maxThreadCount = 512;

/** A native function; `.async` runs it on a thread of libuv's pool. */
type Native<A extends unknown[], R> = ((...args: A) => R) & {
  async(...args: [...A, (error: Error | null, result: R) => void]): void;
};

/** The functions of libllama and libggml that this package calls, under their C names. */
export interface LlamaAbi {
  llama_version: Native<[], string>;
  llama_model_default_params: Native<[], ModelParams>;
  llama_context_default_params: Native<[], ContextParams>;
  llama_model_quantize_default_params: Native<[], QuantizeParams>;
  llama_log_set: Native<[callback: Pointer | null, userData: null], void>;
  llama_backend_init: Native<[], void>;
  llama_supports_gpu_offload: Native<[], boolean>;
  ggml_backend_load_all_from_path: Native<[directory: string], void>;
  ggml_backend_reg_count: Native<[], number>;
  ggml_backend_load: Native<[path: string], Pointer | null>;
  ggml_backend_dev_count: Native<[], number>;
  ggml_backend_dev_get: Native<[index: number], Pointer>;
  ggml_backend_dev_name: Native<[device: Pointer], string>;
  ggml_backend_dev_description: Native<[device: Pointer], string>;
  ggml_backend_dev_type: Native<[device: Pointer], number>;
  ggml_backend_dev_memory: Native<[device: Pointer, free: BigUint64Array, total: BigUint64Array], void>;

  llama_model_load_from_file: Native<[path: string, params: ModelParams], Pointer | null>;
  llama_model_free: Native<[model: Pointer], void>;
  llama_model_quantize: Native<[source: string, target: string, params: QuantizeParams], number>;
  llama_model_get_vocab: Native<[model: Pointer], Pointer>;
  llama_model_n_ctx_train: Native<[model: Pointer], number>;
  llama_model_n_embd: Native<[model: Pointer], number>;
  llama_model_n_embd_out: Native<[model: Pointer], number>;
  llama_model_n_layer: Native<[model: Pointer], number>;
  llama_model_n_head: Native<[model: Pointer], number>;
  llama_model_n_head_kv: Native<[model: Pointer], number>;
  llama_model_size: Native<[model: Pointer], number>;
  llama_model_n_params: Native<[model: Pointer], number>;
  llama_model_desc: Native<[model: Pointer, buffer: Uint8Array, size: number], number>;
  llama_model_chat_template: Native<[model: Pointer, name: null], string | null>;
  llama_model_meta_count: Native<[model: Pointer], number>;
  llama_model_meta_key_by_index: Native<[Pointer, number, Uint8Array, number], number>;
  llama_model_meta_val_str_by_index: Native<[Pointer, number, Uint8Array, number], number>;
  llama_model_has_encoder: Native<[model: Pointer], boolean>;
  llama_model_has_decoder: Native<[model: Pointer], boolean>;
  llama_model_is_recurrent: Native<[model: Pointer], boolean>;
  llama_model_is_hybrid: Native<[model: Pointer], boolean>;
  llama_model_is_diffusion: Native<[model: Pointer], boolean>;

  llama_vocab_type: Native<[vocab: Pointer], number>;
  llama_vocab_n_tokens: Native<[vocab: Pointer], number>;
  llama_vocab_bos: Native<[vocab: Pointer], number>;
  llama_vocab_is_eog: Native<[vocab: Pointer, id: number], boolean>;
  llama_vocab_get_attr: Native<[vocab: Pointer, id: number], number>;
  llama_token_to_piece: Native<
    [vocab: Pointer, id: number, buffer: Uint8Array, size: number, leading: number, special: boolean],
    number
  >;
  llama_tokenize: Native<
    [Pointer, Uint8Array, size: number, Int32Array, max: number, addSpecial: boolean, parse: boolean],
    number
  >;

  llama_adapter_lora_init: Native<[model: Pointer, path: string], Pointer | null>;
  llama_adapter_lora_free: Native<[adapter: Pointer], void>;
  llama_adapter_get_alora_n_invocation_tokens: Native<[adapter: Pointer], number>;
  llama_set_adapters_lora: Native<
    [context: Pointer, adapters: BigUint64Array, count: number, scales: Float32Array],
    number
  >;

  llama_init_from_model: Native<[model: Pointer, params: ContextParams], Pointer | null>;
  llama_free: Native<[context: Pointer], void>;
  llama_n_ctx: Native<[context: Pointer], number>;
  llama_n_batch: Native<[context: Pointer], number>;
  llama_n_seq_max: Native<[context: Pointer], number>;
  llama_get_memory: Native<[context: Pointer], Pointer>;
  llama_set_n_threads: Native<[context: Pointer, threads: number, threadsOfBatches: number], void>;
  llama_decode: Native<[context: Pointer, batch: BatchStruct], number>;
  llama_synchronize: Native<[context: Pointer], void>;
  llama_get_logits: Native<[context: Pointer], Pointer | null>;
  llama_get_logits_ith: Native<[context: Pointer, batchIndex: number], Pointer | null>;
  llama_set_embeddings: Native<[context: Pointer, wanted: boolean], void>;
  llama_get_embeddings_ith: Native<[context: Pointer, batchIndex: number], Pointer | null>;
  llama_memory_seq_cp: Native<[memory: Pointer, from: number, to: number, p0: number, p1: number], void>;
  llama_memory_seq_rm: Native<[memory: Pointer, sequence: number, p0: number, p1: number], boolean>;
  llama_memory_seq_pos_max: Native<[memory: Pointer, sequence: number], number>;
  llama_state_seq_get_size: Native<[context: Pointer, sequence: number], number>;
  llama_state_seq_get_data: Native<
    [context: Pointer, target: Uint8Array, size: number, sequence: number],
    number
  >;
  llama_state_seq_set_data: Native<
    [context: Pointer, source: Uint8Array, size: number, sequence: number],
    number
  >;

  gguf_init_from_file: Native<[path: string, params: { no_alloc: boolean; ctx: null }], Pointer | null>;
  gguf_free: Native<[gguf: Pointer], void>;
  gguf_get_data_offset: Native<[gguf: Pointer], number>;
  gguf_get_n_tensors: Native<[gguf: Pointer], number>;
  gguf_get_tensor_offset: Native<[gguf: Pointer, tensor: number], number>;
  gguf_get_tensor_size: Native<[gguf: Pointer, tensor: number], number>;
  gguf_find_key: Native<[gguf: Pointer, key: string], number>;
}

const pointer = "void *";

type NativeType = Parameters<typeof koffi.sizeof>[0];
type Signature = readonly [library: "llama" | "ggml" | "base", result: NativeType, parameters: NativeType[]];

const signatures: Record<keyof LlamaAbi, Signature> = {
  llama_version: ["llama", "str", []],
  llama_model_default_params: ["llama", modelParams, []],
  llama_context_default_params: ["llama", contextParams, []],
  llama_model_quantize_default_params: ["llama", quantizeParams, []],
  llama_log_set: ["llama", "void", [pointer, pointer]],
  llama_backend_init: ["llama", "void", []],
  llama_supports_gpu_offload: ["llama", "bool", []],
  ggml_backend_load_all_from_path: ["ggml", "void", ["str"]],
  ggml_backend_reg_count: ["ggml", "size_t", []],
  ggml_backend_load: ["ggml", pointer, ["str"]],
  ggml_backend_dev_count: ["ggml", "size_t", []],
  ggml_backend_dev_get: ["ggml", pointer, ["size_t"]],
  ggml_backend_dev_name: ["base", "str", [pointer]],
  ggml_backend_dev_description: ["base", "str", [pointer]],
  ggml_backend_dev_type: ["base", "int32_t", [pointer]],
  ggml_backend_dev_memory: ["base", "void", [pointer, pointer, pointer]],
  llama_model_load_from_file: ["llama", pointer, ["str", modelParams]],
  llama_model_free: ["llama", "void", [pointer]],
  llama_model_quantize: ["llama", "uint32_t", ["str", "str", koffi.pointer(quantizeParams)]],
  llama_model_get_vocab: ["llama", pointer, [pointer]],
  llama_model_n_ctx_train: ["llama", "int32_t", [pointer]],
  llama_model_n_embd: ["llama", "int32_t", [pointer]],
  llama_model_n_embd_out: ["llama", "int32_t", [pointer]],
  llama_model_n_layer: ["llama", "int32_t", [pointer]],
  llama_model_n_head: ["llama", "int32_t", [pointer]],
  llama_model_n_head_kv: ["llama", "int32_t", [pointer]],
  llama_model_size: ["llama", "uint64_t", [pointer]],
  llama_model_n_params: ["llama", "uint64_t", [pointer]],
  llama_model_desc: ["llama", "int32_t", [pointer, pointer, "size_t"]],
  llama_model_chat_template: ["llama", "str", [pointer, "str"]],
  llama_model_meta_count: ["llama", "int32_t", [pointer]],
  llama_model_meta_key_by_index: ["llama", "int32_t", [pointer, "int32_t", pointer, "size_t"]],
  llama_model_meta_val_str_by_index: ["llama", "int32_t", [pointer, "int32_t", pointer, "size_t"]],
  llama_model_has_encoder: ["llama", "bool", [pointer]],
  llama_model_has_decoder: ["llama", "bool", [pointer]],
  llama_model_is_recurrent: ["llama", "bool", [pointer]],
  llama_model_is_hybrid: ["llama", "bool", [pointer]],
  llama_model_is_diffusion: ["llama", "bool", [pointer]],
  llama_vocab_type: ["llama", "int32_t", [pointer]],
  llama_vocab_n_tokens: ["llama", "int32_t", [pointer]],
  llama_vocab_bos: ["llama", "int32_t", [pointer]],
  llama_vocab_is_eog: ["llama", "bool", [pointer, "int32_t"]],
  llama_vocab_get_attr: ["llama", "int32_t", [pointer, "int32_t"]],
  llama_token_to_piece: ["llama", "int32_t", [pointer, "int32_t", pointer, "int32_t", "int32_t", "bool"]],
  llama_tokenize: ["llama", "int32_t", [pointer, pointer, "int32_t", pointer, "int32_t", "bool", "bool"]],
  llama_adapter_lora_init: ["llama", pointer, [pointer, "str"]],
  llama_adapter_lora_free: ["llama", "void", [pointer]],
  llama_adapter_get_alora_n_invocation_tokens: ["llama", "uint64_t", [pointer]],
  llama_set_adapters_lora: ["llama", "int32_t", [pointer, pointer, "size_t", pointer]],
  llama_init_from_model: ["llama", pointer, [pointer, contextParams]],
  llama_free: ["llama", "void", [pointer]],
  llama_n_ctx: ["llama", "uint32_t", [pointer]],
  llama_n_batch: ["llama", "uint32_t", [pointer]],
  llama_n_seq_max: ["llama", "uint32_t", [pointer]],
  llama_get_memory: ["llama", pointer, [pointer]],
  llama_set_n_threads: ["llama", "void", [pointer, "int32_t", "int32_t"]],
  llama_decode: ["llama", "int32_t", [pointer, batchStruct]],
  llama_synchronize: ["llama", "void", [pointer]],
  llama_get_logits: ["llama", pointer, [pointer]],
  llama_get_logits_ith: ["llama", pointer, [pointer, "int32_t"]],
  llama_set_embeddings: ["llama", "void", [pointer, "bool"]],
  llama_get_embeddings_ith: ["llama", pointer, [pointer, "int32_t"]],
  llama_memory_seq_cp: ["llama", "void", [pointer, "int32_t", "int32_t", "int32_t", "int32_t"]],
  llama_memory_seq_rm: ["llama", "bool", [pointer, "int32_t", "int32_t", "int32_t"]],
  llama_memory_seq_pos_max: ["llama", "int32_t", [pointer, "int32_t"]],
  llama_state_seq_get_size: ["llama", "size_t", [pointer, "int32_t"]],
  llama_state_seq_get_data: ["llama", "size_t", [pointer, pointer, "size_t", "int32_t"]],
  llama_state_seq_set_data: ["llama", "size_t", [pointer, pointer, "size_t", "int32_t"]],
  gguf_init_from_file: ["base", pointer, ["str", ggufInitParams]],
  gguf_free: ["base", "void", [pointer]],
  gguf_get_data_offset: ["base", "size_t", [pointer]],
  gguf_get_n_tensors: ["base", "int64_t", [pointer]],
  gguf_get_tensor_offset: ["base", "size_t", [pointer, "int64_t"]],
  gguf_get_tensor_size: ["base", "size_t", [pointer, "int64_t"]],
  gguf_find_key: ["base", "int64_t", [pointer, "str"]],
};

/** Where the three libraries lie that hold the functions. */
export interface LibraryPaths {
  readonly llama: string;
  readonly ggml: string;
  readonly base: string;
}

/** Binds every function; fails with koffi's error where a library does not load or lacks a symbol. */
export function bindLlama(paths: LibraryPaths): LlamaAbi {
  const libraries = {
    llama: koffi.load(paths.llama),
    ggml: koffi.load(paths.ggml),
    base: koffi.load(paths.base),
  };
  const functions = Object.entries(signatures).map(([name, [library, result, parameters]]) => [
    name,
    libraries[library].func(name, result, parameters),
  ]);
  return Object.fromEntries(functions) as LlamaAbi;
}

/** Why the dynamic linker refuses a library, in its own words; null where it does not. */
export function findLoadProblem(path: string): string | null {
  try {
    koffi.load(path);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * A native function that fits as `ggml_log_callback` and does nothing: it ignores its arguments and returns a
 * constant. A callback into JavaScript could deadlock, as backends log from threads of their own.
 */
export function silentLogSink(llamaPath: string): Pointer {
  return koffi.load(llamaPath).symbol("llama_opt_param_filter_all") as Pointer;
}

/** Runs a native function on libuv's pool. */
export function callAsync<A extends unknown[], R>(native: Native<A, R>, ...args: A): Promise<R> {
  return new Promise((resolve, reject) => {
    native.async(...args, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

/** Makes a `llama_progress_callback`; it must be released after the call that uses it. */
export function registerProgressCallback(onProgress: (fraction: number) => boolean): Pointer {
  return koffi.register(onProgress, progressCallback);
}

/** Makes a `ggml_log_callback`, to be called only while the main thread is free; texts are parts of lines. */
export function registerLogCallback(onText: (text: string) => void): Pointer {
  return koffi.register((_level: number, text: string) => onText(text), logCallback);
}

export function unregisterCallback(callback: Pointer): void {
  koffi.unregister(callback);
}

/** Native memory that does not move, zeroed, with the buffer that views it. The caller frees it. */
export function allocate(sizeBytes: number): { address: Pointer; buffer: ArrayBuffer } {
  const address = koffi.alloc("uint8_t", sizeBytes) as Pointer;
  const buffer = viewMemory(address, sizeBytes);
  new Uint8Array(buffer).fill(0);
  return { address, buffer };
}

export function free(address: Pointer): void {
  koffi.free(address);
}

/** Views native memory without a copy; the buffer must be detached before that memory goes away. */
export function viewMemory(address: Pointer, sizeBytes: number): ArrayBuffer {
  return koffi.view(address, sizeBytes);
}
