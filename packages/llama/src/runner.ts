// The engine's ModelRunner over llama.cpp: checks a plan, decodes it off the main thread, shows its logits.
// Knows nothing of generations; what a slot's tokens mean is the engine's business.

import { isServingError, ServingError } from "@corral/contract";
import {
  createScratchBytes,
  type ModelRunner,
  type ModelRunnerLimits,
  type OutputKind,
  type PositionRange,
  type StepOutputs,
  type StepPlan,
} from "@corral/engine";

import type { Adapters, AdapterUser } from "./adapters.ts";
import { callAsync, skipsUnseenCells, viewMemory } from "./abi.ts";
import type { LlamaAbi, Pointer } from "./abi-types.ts";
import { type AttentionModel, attentionModelOf, countRows } from "./attention-passes.ts";
import { NativeBatch } from "./batch.ts";
import {
  type ContextOptions,
  type ContextSettings,
  createContext,
  headLengths,
  resolveContextOptions,
  type StepThreads,
} from "./context.ts";
import { CellMap } from "./cell-map.ts";
import { type DecodePass, decodePasses, rowPlaces } from "./decode-passes.ts";
import { LogitRows } from "./logit-rows.ts";
import type { LlamaModel } from "./model.ts";
import { maxRowCountOf, mostCopiedRowCountOf } from "./row-count.ts";
import { SlotPositions } from "./slot-positions.ts";
import { StepPool } from "./step-pool.ts";

/** What `llama_decode` answers besides 0, and three of our own; anything else is an error too. */
const decodeResult = { outOfCells: 1, aborted: 2, noEmbedding: -100, noAdapter: -101, noCopy: -102 } as const;

/** Opens a context over a model. Fails with `engine_misuse` or `context_too_large`. */
export async function createLlamaRunner(model: LlamaModel, options: ContextOptions): Promise<ModelRunner> {
  const settings = resolveContextOptions(model.info, options);
  const release = model.hold();
  try {
    for (let turn = model.adapters.enter(); turn !== null; turn = model.adapters.enter()) await turn;
    const context = await createContext(model, settings).finally(() => model.adapters.leave());
    return new LlamaRunner(model, context, release, settings, options);
  } catch (error) {
    release();
    throw error;
  }
}

export class LlamaRunner implements ModelRunner, AdapterUser {
  readonly limits: ModelRunnerLimits;
  readonly #abi: LlamaAbi;
  readonly #context: Pointer;
  readonly #memory: Pointer;
  readonly #embeddingLength: number;
  readonly #waitsForDevice: boolean;
  readonly #releaseModel: () => void;
  readonly #adapters: Adapters;
  /** The one that the context has; null: none. */
  #adapter: Pointer | null = null;
  readonly #batch: NativeBatch;
  readonly #positions: SlotPositions;
  /** Null where nothing is computed apart, and nobody asks where cells lie. */
  readonly cells: CellMap | null;
  readonly #attention: AttentionModel | null;
  readonly #rows: LogitRows;
  readonly #stateBytes = createScratchBytes();
  /** Null with layers on a GPU: there a step has graphs of one thread, for which a pool would wake them all. */
  readonly #pool: StepPool | null;
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
    { stepThreads, attention = attentionOf(model, settings) }: ContextOptions,
  ) {
    const { slotCount, cellCount, maxBatchTokenCount, contextLength, threadCount } = settings;
    const { vocabSize } = model.info;
    const maxRowCount = maxRowCountOf(model.info, settings);
    this.#attention = attention;
    const limits = { slotCount, cellCount, maxBatchTokenCount, maxRowCount, contextLength, vocabSize };
    this.limits = Object.freeze(limits);
    this.#stepThreads = stepThreads;
    this.#mostThreadCount = threadCount;
    this.#threadCount = threadCount;
    this.#abi = model.abi;
    this.#context = context;
    this.#memory = model.abi.llama_get_memory(context);
    this.#embeddingLength = model.abi.llama_model_n_embd_out(model.handle);
    this.#waitsForDevice = model.offloaded;
    this.#releaseModel = releaseModel;
    this.#adapters = model.adapters;
    this.#adapters.users.add(this);
    this.#batch = new NativeBatch(limits.maxBatchTokenCount);
    this.#positions = new SlotPositions(limits);
    this.cells = attention === null ? null : new CellMap(settings);
    this.#rows = new LogitRows(model.abi, context, limits.vocabSize);
    this.#pool = model.offloaded ? null : new StepPool(model.abi, context);
  }

  async decode(plan: StepPlan): Promise<StepOutputs> {
    this.#checkIdle("decode");
    this.#positions.checkPlan(plan);
    this.#chooseThreads();
    this.#decodeCount += 1;
    const passes = this.#passesOf(plan);
    const embeddings: Float32Array[] = [];
    this.#rows.forgetCopies();
    const result = await this.#busy(async () => {
      // Loading or freeing an adapter waits for steps, and a step for that.
      for (let turn = this.#adapters.enter(); turn !== null; turn = this.#adapters.enter()) await turn;
      let hasComputed = false;
      try {
        if (!this.#useAdapter(plan.adapter)) return decodeResult.noAdapter;
        await this.#pool?.begin(this.#threadCount);
        for (const [index, pass] of passes.entries()) {
          const code = await this.#decodePass(pass, embeddings);
          hasComputed ||= code === 0;
          if (code !== 0 || this.#disposed) return code;
          const isLast = index === passes.length - 1;
          if (pass.kind === "logits" && !isLast && !this.#copyRows(pass)) return decodeResult.noCopy;
        }
        return 0;
      } finally {
        await this.#pool?.end(hasComputed);
        this.#adapters.leave();
      }
    }).finally(() => this.#stepThreads?.end());
    this.#checkAlive("decoded");
    if (result !== 0) throw this.#failed(plan, result);
    this.#positions.commitPlan(plan);
    for (const pass of passes) this.cells?.place(pass.plan.entries);
    this.#rows.refresh();
    return this.#outputs(plan, passes, embeddings);
  }

  #passesOf(plan: StepPlan): readonly DecodePass[] {
    const { maxRowCount, vocabSize } = this.limits;
    const apart =
      this.cells === null || this.#attention === null
        ? null
        : {
            attention: this.#attention,
            layout: this.cells,
            mostCopiedRowCount: mostCopiedRowCountOf(vocabSize),
          };
    return decodePasses(plan, { maxRowCount, apart });
  }

  /** Those of the pass just computed, before the next one overwrites them; false where one cannot be copied. */
  #copyRows({ plan }: DecodePass): boolean {
    const rowCount = countRows(plan.entries);
    if (rowCount === 0) return true;
    this.#rows.refresh();
    try {
      for (let row = 0; row < rowCount; row += 1) this.#rows.copy(this.#batch.batchIndexOf(row));
    } catch (error) {
      if (error instanceof RangeError || isServingError(error)) return false;
      throw error;
    }
    return true;
  }

  /** False where the model has no such adapter. A change makes llama.cpp plan its graphs anew in the next decode. */
  #useAdapter(key: string | null): boolean {
    const adapter = key === null ? null : this.#adapters.find(key);
    if (key !== null && adapter === null) return false;
    if (adapter !== this.#adapter) this.#setAdapter(adapter);
    return true;
  }

  #setAdapter(adapter: Pointer | null): void {
    const [addresses, scales] = [BigUint64Array.of(adapter ?? 0n), Float32Array.of(1)];
    this.#abi.llama_set_adapters_lora(this.#context, addresses, adapter === null ? 0 : 1, scales);
    this.#adapter = adapter;
  }

  letGo(adapter: Pointer): void {
    if (this.#adapter === adapter) this.#setAdapter(null);
  }

  /** One native call and its code; copies what is wanted of its hidden states, which the next one overwrites. */
  async #decodePass({ plan, kind }: DecodePass, embeddings: Float32Array[]): Promise<number> {
    const wantsEmbeddings = kind === "embedding";
    const rowCount = this.#batch.write(plan, wantsEmbeddings);
    if (wantsEmbeddings) this.#abi.llama_set_embeddings(this.#context, true);
    try {
      const code = await callAsync(this.#abi.llama_decode, this.#context, this.#batch.struct);
      // On a processor the work is done by now; a device goes on, and waiting for it would block the event loop.
      if (this.#waitsForDevice) await callAsync(this.#abi.llama_synchronize, this.#context);
      if (code === 0 && wantsEmbeddings) {
        for (let row = 0; row < rowCount; row += 1) {
          const embedding = this.#copyEmbedding(row);
          if (embedding === null) return decodeResult.noEmbedding;
          embeddings.push(embedding);
        }
      }
      return code;
    } finally {
      if (wantsEmbeddings) this.#abi.llama_set_embeddings(this.#context, false);
    }
  }

  /** Null for a model that gives no hidden states. */
  #copyEmbedding(row: number): Float32Array | null {
    const address = this.#abi.llama_get_embeddings_ith(this.#context, this.#batch.batchIndexOf(row));
    if (address === null) return null;
    const memory = viewMemory(address, this.#embeddingLength * 4);
    const copy = new Float32Array(memory).slice();
    memory.transfer(0);
    return copy;
  }

  #chooseThreads(): void {
    const granted = this.#stepThreads?.begin() ?? this.#mostThreadCount;
    const threadCount = Math.max(1, Math.min(granted, this.#mostThreadCount));
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
    const reasons = new Map<number, string>([
      [decodeResult.aborted, "it was aborted"],
      [decodeResult.noEmbedding, "the model gives no embeddings"],
      [decodeResult.noAdapter, `there is no adapter ${plan.adapter}`],
      [decodeResult.noCopy, "a row of a pass could not be copied"],
    ]);
    const reason = reasons.get(result) ?? `code ${result}`;
    return new ServingError(
      "decode_failed",
      `llama.cpp could not decode a step of ${plan.tokenCount} tokens: ${reason}.`,
    );
  }

  #outputs(plan: StepPlan, passes: readonly DecodePass[], embeddings: readonly Float32Array[]): StepOutputs {
    const decodeCount = this.#decodeCount;
    const places = rowPlaces(plan, passes);
    const placeOf = (row: number, kind: OutputKind): number => {
      this.#checkIdle(kind);
      if (decodeCount !== this.#decodeCount)
        throw new ServingError("engine_misuse", "Rows are valid until the next decode, and there was one.");
      const place = places[row];
      if (place === undefined) {
        throw new ServingError(
          "engine_misuse",
          `Rows of this step are integers in [0, ${places.length}), given ${row}.`,
        );
      }
      if (place.kind !== kind) throw new ServingError("engine_misuse", `Row ${row} holds no ${kind}.`);
      return place.index;
    };
    return {
      rowCount: places.length,
      logits: (row) => {
        const index = placeOf(row, "logits");
        const { copyCount } = this.#rows;
        return index < copyCount
          ? this.#rows.copied(index)
          : this.#rows.at(this.#batch.batchIndexOf(index - copyCount));
      },
      embedding: (row) => embeddings[placeOf(row, "embedding")]!,
    };
  }

  copySequence(source: number, target: number, range: PositionRange): void {
    this.#checkIdle("copySequence");
    this.#positions.checkCopy(source, target, range);
    if (range.start === range.end) return;
    this.#abi.llama_memory_seq_cp(this.#memory, source, target, range.start, range.end);
    this.#positions.commitCopy(target, range);
    this.cells?.copy(source, target, range);
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
    this.cells?.remove(slot, dropped.start);
  }

  async saveSequence(slot: number): Promise<Uint8Array> {
    this.#checkIdle("saveSequence");
    this.#positions.checkSlot(slot);
    const size = Number(this.#abi.llama_state_seq_get_size(this.#context, slot));
    const state = this.#stateBytes(size);
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
      this.cells?.restore(slot, state, tokenCount);
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
    this.#adapters.users.delete(this);
    this.#rows.dispose();
    this.#batch[Symbol.dispose]();
    this.#abi.llama_free(this.#context);
    this.#pool?.[Symbol.dispose]();
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

/** Only flash attention on a processor, over keys and values in f16 or f32, knows blocks. */
function attentionOf({ abi, info, offloaded }: LlamaModel, settings: ContextSettings): AttentionModel | null {
  const { precision, cacheType, microBatchTokenCount, threadCount } = settings;
  if (offloaded || precision === "reference" || cacheType === "q8_0") return null;
  const { keyLength, valueLength } = headLengths(info);
  // The numbers that a processor's widest registers hold: other values are taken token by token.
  if (valueLength % 16 !== 0) return null;
  return attentionModelOf({
    ...info,
    headLength: keyLength + valueLength,
    microBatchTokenCount,
    threadCount,
    skipsUnseen: skipsUnseenCells(abi),
  });
}
