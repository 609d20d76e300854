// The C interface of llama.cpp v0.5.0 as TypeScript sees it: its structs and its functions under their C names.

/** Address of native memory or of an opaque native object; never 0 (koffi gives `null` for that). */
export type Pointer = bigint;

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

/** A native function; `.async` runs it on a thread of libuv's pool. */
export type Native<A extends unknown[], R> = ((...args: A) => R) & {
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
  ggml_backend_dev_init: Native<[device: Pointer, params: null], Pointer | null>;
  ggml_backend_dev_backend_reg: Native<[device: Pointer], Pointer>;
  ggml_backend_reg_get_proc_address: Native<[backend: Pointer, name: string], Pointer | null>;
  ggml_threadpool_params_init: Native<[params: Uint8Array, threadCount: number], void>;
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
  llama_attach_threadpool: Native<[context: Pointer, pool: Pointer, poolOfBatches: Pointer], void>;
  llama_detach_threadpool: Native<[context: Pointer], void>;
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
