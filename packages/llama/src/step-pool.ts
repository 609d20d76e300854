// The threads that compute a context's steps beside the one that calls. llama.cpp would start and end them with every
// step: a new thread may begin on the core that starts it, and the other threads spin until it gets one of its own
// (docs/adr/0027).

import { backendFunction, deviceType } from "./abi.ts";
import type { LlamaAbi, Native, Pointer } from "./abi-types.ts";

/** `ggml_threadpool_params`: a mask of 512 processors, three numbers of 4 bytes, two flags. */
const paramsBytes = 512 + 3 * 4 + 4;
const pollOffset = 512 + 2 * 4;
/** How long a thread looks for the next step before it sleeps: 131,072 pauses of the processor, 1 to 6 ms. */
const poll = 1;

interface PoolFunctions {
  readonly create: Native<[params: Uint8Array], Pointer | null>;
  readonly end: Native<[pool: Pointer], void>;
}

export class StepPool {
  readonly #abi: LlamaAbi;
  readonly #context: Pointer;
  readonly #functions: PoolFunctions | null;
  #threadCount = 1;
  /** Null while one thread computes. */
  #pool: Pointer | null = null;
  /** Pools that the context used before; its backend knows the last one of them until it computes again. */
  readonly #left: Pointer[] = [];

  constructor(abi: LlamaAbi, context: Pointer) {
    this.#abi = abi;
    this.#context = context;
    this.#functions = poolFunctions(abi);
  }

  /** The next steps are computed by so many threads, the caller's among them. */
  use(threadCount: number): void {
    if (threadCount === this.#threadCount) return;
    this.#threadCount = threadCount;
    if (this.#pool !== null) this.#left.push(this.#pool);
    // Threads beyond those of a step would wake and spin with it: there is never one too many.
    this.#pool = threadCount > 1 ? this.#create(threadCount) : null;
    if (this.#pool === null) this.#abi.llama_detach_threadpool(this.#context);
    else this.#abi.llama_attach_threadpool(this.#context, this.#pool, this.#pool);
  }

  /** A step was computed: nothing knows the pools before any more. */
  settle(): void {
    for (const pool of this.#left.splice(0)) this.#functions?.end(pool);
  }

  /** To be called when the context is freed. */
  end(): void {
    if (this.#pool !== null) this.#left.push(this.#pool);
    this.#pool = null;
    this.settle();
  }

  #create(threadCount: number): Pointer | null {
    const params = new Uint8Array(paramsBytes);
    this.#abi.ggml_threadpool_params_init(params, threadCount);
    new DataView(params.buffer).setUint32(pollOffset, poll, true);
    return this.#functions?.create(params) ?? null;
  }
}

const functionsOf = new WeakMap<LlamaAbi, PoolFunctions | null>();

/** They are in the library that was chosen for the processor; null where it has none, which then starts its own threads. */
function poolFunctions(abi: LlamaAbi): PoolFunctions | null {
  const known = functionsOf.get(abi);
  if (known !== undefined) return known;
  const backend = processorBackend(abi);
  const functions = backend === null ? null : findFunctions(abi, backend);
  functionsOf.set(abi, functions);
  return functions;
}

function findFunctions(abi: LlamaAbi, backend: Pointer): PoolFunctions | null {
  const create = backendFunction<[Uint8Array], Pointer | null>(
    abi,
    backend,
    "ggml_threadpool_new",
    "void *",
    ["void *"],
  );
  const end = backendFunction<[Pointer], void>(abi, backend, "ggml_threadpool_free", "void", ["void *"]);
  return create === null || end === null ? null : { create, end };
}

function processorBackend(abi: LlamaAbi): Pointer | null {
  for (let index = 0; index < Number(abi.ggml_backend_dev_count()); index += 1) {
    const device = abi.ggml_backend_dev_get(index);
    if (abi.ggml_backend_dev_type(device) === deviceType.cpu) return abi.ggml_backend_dev_backend_reg(device);
  }
  return null;
}
