// The engine's ModelRunner over llama.cpp: checks a plan, decodes it off the main thread, shows its logits.
// Knows nothing of generations; what a slot's tokens mean is the engine's business.

import { ServingError } from "@corral/contract";
import type { ModelRunner, ModelRunnerLimits, PositionRange, StepOutputs, StepPlan } from "@corral/engine";

import { callAsync, type LlamaAbi, type Pointer, viewMemory } from "./abi.ts";
import { NativeBatch } from "./batch.ts";
import {
  type ContextOptions,
  type ContextSettings,
  createContext,
  resolveContextOptions,
  type StepThreads,
} from "./context.ts";
import type { LlamaModel } from "./model.ts";
import { SlotPositions } from "./slot-positions.ts";

/** What `llama_decode` answers besides 0; anything else is an error too. */
const decodeResult = { outOfCells: 1, aborted: 2 } as const;

/** Opens a context over a model. Fails with `engine_misuse` or `context_too_large`. */
export async function createLlamaRunner(model: LlamaModel, options: ContextOptions): Promise<ModelRunner> {
  const settings = resolveContextOptions(model.info, options);
  const release = model.hold();
  try {
    const context = await createContext(model, settings);
    return new LlamaRunner(model, context, release, settings, options.stepThreads);
  } catch (error) {
    release();
    throw error;
  }
}

class LlamaRunner implements ModelRunner {
  readonly limits: ModelRunnerLimits;
  readonly #abi: LlamaAbi;
  readonly #context: Pointer;
  readonly #memory: Pointer;
  readonly #waitsForDevice: boolean;
  readonly #releaseModel: () => void;
  readonly #batch: NativeBatch;
  readonly #positions: SlotPositions;
  readonly #rows: LogitRows;
  readonly #stepThreads: StepThreads | undefined;
  readonly #mostThreadCount: number;
  #threadCount: number;
  #decodeCount = 0;
  #decoding = false;
  #disposed = false;

  constructor(
    model: LlamaModel,
    context: Pointer,
    releaseModel: () => void,
    settings: ContextSettings,
    stepThreads: StepThreads | undefined,
  ) {
    const { slotCount, cellCount, maxBatchTokenCount, contextLength, threadCount } = settings;
    const { vocabSize } = model.info;
    const limits = { slotCount, cellCount, maxBatchTokenCount, contextLength, vocabSize };
    this.limits = Object.freeze(limits);
    this.#stepThreads = stepThreads;
    this.#mostThreadCount = threadCount;
    this.#threadCount = threadCount;
    this.#abi = model.abi;
    this.#context = context;
    this.#memory = model.abi.llama_get_memory(context);
    this.#waitsForDevice = model.offloaded;
    this.#releaseModel = releaseModel;
    this.#batch = new NativeBatch(limits.maxBatchTokenCount);
    this.#positions = new SlotPositions(limits);
    this.#rows = new LogitRows(model.abi, context, limits.vocabSize);
  }

  async decode(plan: StepPlan): Promise<StepOutputs> {
    this.#checkIdle("decode");
    this.#positions.checkPlan(plan);
    const rowCount = this.#batch.write(plan);
    this.#chooseThreads();
    this.#decodeCount += 1;
    const result = await this.#busy(async () => {
      const code = await callAsync(this.#abi.llama_decode, this.#context, this.#batch.struct);
      // On a processor the work is done by now; a device goes on, and waiting for it would block the event loop.
      if (this.#waitsForDevice) await callAsync(this.#abi.llama_synchronize, this.#context);
      return code;
    }).finally(() => this.#stepThreads?.end());
    this.#checkAlive("decoded");
    if (result !== 0) throw this.#failed(plan, result);
    this.#positions.commitPlan(plan);
    if (rowCount > 0) this.#rows.refresh();
    return this.#outputs(rowCount);
  }

  /** Threads live for one step only, so another number costs nothing. */
  #chooseThreads(): void {
    if (this.#stepThreads === undefined) return;
    const threadCount = Math.max(1, Math.min(this.#stepThreads.begin(), this.#mostThreadCount));
    if (threadCount === this.#threadCount) return;
    this.#threadCount = threadCount;
    this.#abi.llama_set_n_threads(this.#context, threadCount, threadCount);
  }

  /** Takes back what a failed decode may have computed, so that the slots are as the bookkeeping says. */
  #failed(plan: StepPlan, result: number): ServingError {
    for (const { slot, start } of plan.entries) this.#abi.llama_memory_seq_rm(this.#memory, slot, start, -1);
    if (result === decodeResult.outOfCells) {
      return new ServingError(
        "out_of_cells",
        `The KV cache of ${this.limits.cellCount} cells has no room for ${plan.tokenCount} more tokens.`,
      );
    }
    const reason = result === decodeResult.aborted ? "it was aborted" : `code ${result}`;
    return new ServingError(
      "decode_failed",
      `llama.cpp could not decode a step of ${plan.tokenCount} tokens: ${reason}.`,
    );
  }

  #outputs(rowCount: number): StepOutputs {
    const decodeCount = this.#decodeCount;
    return {
      rowCount,
      logits: (row) => {
        this.#checkIdle("logits");
        if (decodeCount !== this.#decodeCount) {
          throw new ServingError(
            "engine_misuse",
            "Logits are valid until the next decode, and there was one.",
          );
        }
        if (!Number.isInteger(row) || row < 0 || row >= rowCount) {
          throw new ServingError(
            "engine_misuse",
            `Rows of this step are integers in [0, ${rowCount}), given ${row}.`,
          );
        }
        return this.#rows.at(this.#batch.batchIndexOf(row));
      },
    };
  }

  copySequence(source: number, target: number, range: PositionRange): void {
    this.#checkIdle("copySequence");
    this.#positions.checkCopy(source, target, range);
    if (range.start === range.end) return;
    this.#abi.llama_memory_seq_cp(this.#memory, source, target, range.start, range.end);
    this.#positions.commitCopy(target, range);
  }

  removeSequence(slot: number, range?: PositionRange): void {
    this.#checkIdle("removeSequence");
    const dropped = range ?? { start: 0, end: this.#positions.computedCount(slot) };
    this.#positions.checkRemove(slot, dropped);
    // Up to the end of the sequence: a gap has been refused. An empty range must not reach that meaning.
    if (dropped.start === dropped.end) return;
    if (!this.#abi.llama_memory_seq_rm(this.#memory, slot, dropped.start, -1)) {
      throw new ServingError(
        "decode_failed",
        `llama.cpp could not remove [${dropped.start}, ${dropped.end}) of slot ${slot}.`,
      );
    }
    this.#positions.commitRemove(slot, dropped);
  }

  async saveSequence(slot: number): Promise<Uint8Array> {
    this.#checkIdle("saveSequence");
    this.#positions.checkSlot(slot);
    const size = Number(this.#abi.llama_state_seq_get_size(this.#context, slot));
    const state = new Uint8Array(size);
    const { llama_state_seq_get_data } = this.#abi;
    const written = await this.#busy(() =>
      callAsync(llama_state_seq_get_data, this.#context, state, size, slot),
    );
    this.#checkAlive("saved a sequence");
    if (Number(written) === size) return state;
    throw new ServingError("decode_failed", `llama.cpp wrote ${written} bytes of a state of ${size}.`);
  }

  async restoreSequence(slot: number, state: Uint8Array, tokenCount: number): Promise<boolean> {
    this.#checkIdle("restoreSequence");
    this.#positions.checkRestore(slot, tokenCount);
    const { llama_state_seq_set_data, llama_memory_seq_pos_max, llama_memory_seq_rm } = this.#abi;
    const read = await this.#busy(() =>
      callAsync(llama_state_seq_set_data, this.#context, state, state.byteLength, slot),
    );
    this.#checkAlive("restored a sequence");
    const lastPosition = llama_memory_seq_pos_max(this.#memory, slot);
    if (Number(read) > 0 && lastPosition === tokenCount - 1) {
      this.#positions.commitRestore(slot, tokenCount);
      return true;
    }
    llama_memory_seq_rm(this.#memory, slot, -1, -1);
    return false;
  }

  /** Runs a call on the pool's thread, during which nothing else may touch the context. */
  async #busy<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#decoding = true;
    try {
      return await work();
    } finally {
      this.#decoding = false;
      if (this.#disposed) this.#free();
    }
  }

  /** Frees the context, at the end of a call that still runs; that call then fails. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#decoding) this.#free();
  }

  #free(): void {
    this.#rows.detach();
    this.#batch[Symbol.dispose]();
    this.#abi.llama_free(this.#context);
    this.#releaseModel();
  }

  #checkAlive(what: string): void {
    if (this.#disposed)
      throw new ServingError("engine_misuse", `The runner was disposed of while it ${what}.`);
  }

  #checkIdle(call: string): void {
    if (this.#disposed)
      throw new ServingError("engine_misuse", `${call} was called after the runner was disposed of.`);
    if (this.#decoding)
      throw new ServingError("engine_misuse", `${call} was called while a decode is running.`);
  }
}

/** Views of the context's rows of logits, one per row and kept, so that a step allocates none. */
class LogitRows {
  readonly #abi: LlamaAbi;
  readonly #context: Pointer;
  readonly #vocabSize: number;
  readonly #views = new Map<Pointer, Float32Array<ArrayBuffer>>();
  #base: Pointer | null = null;

  constructor(abi: LlamaAbi, context: Pointer, vocabSize: number) {
    this.#abi = abi;
    this.#context = context;
    this.#vocabSize = vocabSize;
  }

  /** Forgets the views when llama.cpp moved its buffer, which it does as steps ask for more rows. */
  refresh(): void {
    const base = this.#abi.llama_get_logits(this.#context);
    if (base === this.#base) return;
    this.detach();
    this.#base = base;
  }

  at(batchIndex: number): Float32Array {
    const address = this.#abi.llama_get_logits_ith(this.#context, batchIndex);
    if (address === null)
      throw new ServingError("decode_failed", "llama.cpp has no logits for a row that was asked for.");
    let view = this.#views.get(address);
    if (view === undefined) {
      view = new Float32Array(viewMemory(address, this.#vocabSize * 4));
      this.#views.set(address, view);
    }
    return view;
  }

  /** Makes every view empty: reading one that was kept too long cannot reach freed memory. */
  detach(): void {
    for (const view of this.#views.values()) view.buffer.transfer(0);
    this.#views.clear();
  }
}
