// The rows of logits of a step: views of the context's own memory, and copies of those that a later pass overwrites.
// Knows no plans.

import { ServingError } from "@corral/contract";
import { viewMemory } from "./abi.ts";
import type { LlamaAbi, Pointer } from "./abi-types.ts";

/** Views of the context's rows of logits, one per row and kept, so that a step allocates none. */
export class LogitRows {
  readonly #abi: LlamaAbi;
  readonly #context: Pointer;
  readonly #vocabSize: number;
  readonly #views = new Map<Pointer, Float32Array<ArrayBuffer>>();
  /** Kept from step to step; the first `copyCount` hold rows of this one. */
  readonly #copies: Float32Array<ArrayBuffer>[] = [];
  #copyCount = 0;
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

  get copyCount(): number {
    return this.#copyCount;
  }

  /** A row that the next pass of the same step is going to overwrite. */
  copy(batchIndex: number): void {
    const copy = (this.#copies[this.#copyCount] ??= new Float32Array(this.#vocabSize));
    copy.set(this.at(batchIndex));
    this.#copyCount += 1;
  }

  copied(index: number): Float32Array {
    return this.#copies[index]!;
  }

  forgetCopies(): void {
    this.#copyCount = 0;
  }

  /** As `detach`, with the copies. */
  dispose(): void {
    this.detach();
    for (const copy of this.#copies.splice(0)) copy.buffer.transfer(0);
    this.#copyCount = 0;
  }

  /** Makes every view empty: reading one that was kept too long cannot reach freed memory. */
  detach(): void {
    for (const view of this.#views.values()) view.buffer.transfer(0);
    this.#views.clear();
  }
}
