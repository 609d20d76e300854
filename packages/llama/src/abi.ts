// The C interface of llama.cpp v0.5.0 as koffi sees it: structs in header order, signatures, constants, raw
// memory. The only file that imports koffi. Checks nothing and knows no meaning: callers validate first.

import koffi from "koffi";
import type {
  BatchStruct,
  ContextParams,
  LlamaAbi,
  ModelParams,
  Native,
  Pointer,
  QuantizeParams,
} from "./abi-types.ts";

// Native code runs on koffi's stacks. Its default for asynchronous calls, 128 KiB, is less than the C++
// side may use while it parses a model or splits a text, so both are as large as a main thread's.
koffi.config({ sync_stack_size: 8 << 20, async_stack_size: 8 << 20, resident_async_pools: 1 });

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
  ggml_backend_dev_init: ["base", pointer, [pointer, pointer]],
  ggml_backend_dev_backend_reg: ["base", pointer, [pointer]],
  ggml_backend_reg_get_proc_address: ["base", pointer, [pointer, "str"]],
  ggml_threadpool_params_init: ["base", "void", [pointer, "int32_t"]],
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
  llama_attach_threadpool: ["llama", "void", [pointer, pointer, pointer]],
  llama_detach_threadpool: ["llama", "void", [pointer]],
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

/** What the library that was chosen for the processor has beyond those that are linked to. */
export interface ProcessorFunctions {
  /** One that computes nothing and lives as long as the process. */
  readonly backend: Pointer;
  readonly newPool: Native<[params: Uint8Array], Pointer | null>;
  readonly freePool: Native<[pool: Pointer], void>;
  readonly setPool: Native<[backend: Pointer, pool: Pointer | null], void>;
}

const processorFunctionsOf = new WeakMap<LlamaAbi, ProcessorFunctions | null>();

/** Null where a library does not have them all. */
export function processorFunctions(abi: LlamaAbi): ProcessorFunctions | null {
  let functions = processorFunctionsOf.get(abi);
  if (functions === undefined) {
    functions = findProcessorFunctions(abi);
    processorFunctionsOf.set(abi, functions);
  }
  return functions;
}

/** Whether the library that was chosen for the processor has what `build:llama` adds (scripts/llama-changes.ts). */
export function skipsUnseenCells(abi: LlamaAbi): boolean {
  const processor = findProcessor(abi);
  return processor !== null && addressOf(abi, processor, "corral_skips_unseen_cells") !== null;
}

function findProcessor(abi: LlamaAbi): Pointer | null {
  const devices = Array.from({ length: Number(abi.ggml_backend_dev_count()) }, (_, index) =>
    abi.ggml_backend_dev_get(index),
  );
  return devices.find((device) => abi.ggml_backend_dev_type(device) === deviceType.cpu) ?? null;
}

function addressOf(abi: LlamaAbi, device: Pointer, name: string): Pointer | null {
  return abi.ggml_backend_reg_get_proc_address(abi.ggml_backend_dev_backend_reg(device), name);
}

function findProcessorFunctions(abi: LlamaAbi): ProcessorFunctions | null {
  const processor = findProcessor(abi);
  if (processor === null) return null;
  const find = (name: string, result: string, parameters: string[]) => {
    const address = addressOf(abi, processor, name);
    return address === null ? null : koffi.decode(address, koffi.proto(result, parameters));
  };
  const newPool = find("ggml_threadpool_new", pointer, [pointer]);
  const freePool = find("ggml_threadpool_free", "void", [pointer]);
  const setPool = find("ggml_backend_cpu_set_threadpool", "void", [pointer, pointer]);
  if (newPool === null || freePool === null || setPool === null) return null;
  const backend = abi.ggml_backend_dev_init(processor, null);
  return backend === null ? null : { backend, newPool, freePool, setPool };
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
