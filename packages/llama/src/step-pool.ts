// The threads that compute a context's steps beside the one that calls. llama.cpp would start and end them with every
// step: a new thread may begin on the core that starts it, and the other threads spin until it gets one of its own
// (docs/adr/0027). Knows no plans; the runner says when a step begins and ends.

import { callAsync, processorFunctions, type ProcessorFunctions } from "./abi.ts";
import type { LlamaAbi, Pointer } from "./abi-types.ts";

/** `ggml_threadpool_params`: a mask of 512 processors, three numbers of 4 bytes, two flags. */
const paramsBytes = 512 + 3 * 4 + 4;
const pollOffset = 512 + 2 * 4;
/** How long a thread looks for the next step before it sleeps: 131,072 pauses of the processor, 1 to 6 ms. */
const poll = 1;

/** The one whose context computed last: its threads may still look for a step, on cores that the next one needs. */
const turn: { latest: StepPool | null } = { latest: null };

export class StepPool {
  readonly #abi: LlamaAbi;
  readonly #context: Pointer;
  readonly #functions: ProcessorFunctions | null;
  #threadCount = 1;
  /** Null while one thread computes. */
  #pool: Pointer | null = null;
  /** Pools of other numbers of threads: the context's backend knows the last one of them until it computes again. */
  readonly #retired: Pointer[] = [];
  #isComputing = false;

  constructor(abi: LlamaAbi, context: Pointer) {
    this.#abi = abi;
    this.#context = context;
    this.#functions = processorFunctions(abi);
  }

  /** A step begins that is computed by so many threads, the caller's among them. */
  async begin(threadCount: number): Promise<void> {
    if (turn.latest !== null && turn.latest !== this) turn.latest.#sleep();
    turn.latest = this;
    this.#isComputing = true;
    if (threadCount === this.#threadCount) return;
    this.#threadCount = threadCount;
    if (this.#pool !== null) this.#retired.push(this.#pool);
    // A thread beyond those of a step would wake and spin with it: the pool has as many as the step.
    this.#pool = threadCount > 1 ? await this.#create(threadCount) : null;
    if (this.#pool === null) this.#abi.llama_detach_threadpool(this.#context);
    else this.#abi.llama_attach_threadpool(this.#context, this.#pool, this.#pool);
  }

  /** `hasComputed`: the context's backend knows no pool but the one it has now. */
  async end(hasComputed: boolean): Promise<void> {
    this.#isComputing = false;
    if (hasComputed) await this.#endRetired();
  }

  /** To be called when the context is freed. */
  [Symbol.dispose](): void {
    if (turn.latest === this) turn.latest = null;
    if (this.#pool !== null) this.#retired.push(this.#pool);
    this.#pool = null;
    void this.#endRetired();
  }

  /** Waits for the threads' end on libuv's pool: others must not wait for it. */
  async #endRetired(): Promise<void> {
    for (const pool of this.#retired.splice(0)) {
      if (this.#functions !== null) await callAsync(this.#functions.freePool, pool);
    }
  }

  /** Not within a step, whose threads would never come to it. */
  #sleep(): void {
    if (this.#isComputing || this.#pool === null || this.#functions === null) return;
    const { backend, setPool } = this.#functions;
    // A backend that is given another pool lets the one before sleep; the next step wakes it.
    setPool(backend, this.#pool);
    setPool(backend, null);
  }

  async #create(threadCount: number): Promise<Pointer | null> {
    if (this.#functions === null) return null;
    const params = new Uint8Array(paramsBytes);
    this.#abi.ggml_threadpool_params_init(params, threadCount);
    new DataView(params.buffer).setUint32(pollOffset, poll, true);
    return await callAsync(this.#functions.newPool, params);
  }
}
