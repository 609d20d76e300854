// The tokens of one step in native memory: one allocation for the life of a context, written through views.
// Knows neither slots' histories nor what a decode returns.

import type { StepPlan } from "@corral/engine";

import { allocate, free } from "./abi.ts";
import type { BatchStruct } from "./abi-types.ts";

/** Bytes of one token over all columns: id, position, sequence count, sequence id, its address, output flag. */
const tokenBytes = 4 + 4 + 4 + 4 + 8 + 1;

export class NativeBatch implements Disposable {
  /** What `llama_decode` takes; the same object for every step. */
  readonly struct: BatchStruct;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #sequences: Int32Array;
  readonly #outputs: Int8Array;
  readonly #outputIndices: Int32Array;
  readonly #memory: { address: bigint; buffer: ArrayBuffer };
  #disposed = false;

  /** Room for `capacity` tokens. */
  constructor(capacity: number) {
    this.#memory = allocate(capacity * tokenBytes);
    const { address, buffer } = this.#memory;
    // The addresses come first: they are the widest column, and the others then stay aligned.
    const addressesOffset = 0;
    const [tokensOffset, positionsOffset, countsOffset, sequencesOffset, outputsOffset] = [
      8, 12, 16, 20, 24,
    ].map((bytes) => bytes * capacity) as [number, number, number, number, number];
    this.#tokens = new Int32Array(buffer, tokensOffset, capacity);
    this.#positions = new Int32Array(buffer, positionsOffset, capacity);
    this.#sequences = new Int32Array(buffer, sequencesOffset, capacity);
    this.#outputs = new Int8Array(buffer, outputsOffset, capacity);
    this.#outputIndices = new Int32Array(capacity);
    // Every token belongs to one sequence, whose id lies in the sequences column.
    new Int32Array(buffer, countsOffset, capacity).fill(1);
    const addresses = new BigUint64Array(buffer, addressesOffset, capacity);
    for (let index = 0; index < capacity; index += 1) {
      addresses[index] = address + BigInt(sequencesOffset + 4 * index);
    }
    this.struct = {
      n_tokens: 0,
      token: address + BigInt(tokensOffset),
      embd: null,
      pos: address + BigInt(positionsOffset),
      n_seq_id: address + BigInt(countsOffset),
      seq_id: address + BigInt(addressesOffset),
      logits: address + BigInt(outputsOffset),
    };
  }

  /** Writes a checked plan; returns its number of wanted rows. `everyRow`: the others are computed as well. */
  write(plan: StepPlan, everyRow = false): number {
    let index = 0;
    let rowCount = 0;
    for (const { slot, start, tokens, outputs } of plan.entries) {
      const first = index;
      for (const token of tokens) {
        this.#tokens[index] = token;
        this.#positions[index] = start + index - first;
        this.#sequences[index] = slot;
        this.#outputs[index] = everyRow ? 1 : 0;
        index += 1;
      }
      for (const output of outputs) {
        this.#outputs[first + output] = 1;
        this.#outputIndices[rowCount] = first + output;
        rowCount += 1;
      }
    }
    this.struct.n_tokens = index;
    return rowCount;
  }

  /** Index in the batch of the token whose wanted output is `row`, in `[0, rowCount)` of the last write. */
  batchIndexOf(row: number): number {
    return this.#outputIndices[row]!;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // Detaching makes the views empty, so that a late write cannot reach freed memory.
    this.#memory.buffer.transfer(0);
    free(this.#memory.address);
  }
}
