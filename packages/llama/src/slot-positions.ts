// How many positions of every slot are computed, and with that which calls are allowed. Pure bookkeeping:
// every call that would abort the process, hang it or corrupt the cache is refused here, before native code.

import { ServingError } from "@corral/contract";
import type { ModelRunnerLimits, PositionRange, StepPlan } from "@corral/engine";

/** Invariant: the computed positions of a slot are `[0, computedCount)`, without a gap. */
export class SlotPositions {
  readonly #limits: ModelRunnerLimits;
  readonly #computedCounts: Int32Array;

  constructor(limits: ModelRunnerLimits) {
    this.#limits = limits;
    this.#computedCounts = new Int32Array(limits.slotCount);
  }

  computedCount(slot: number): number {
    this.checkSlot(slot);
    return this.#computedCounts[slot]!;
  }

  /** Fails with `engine_misuse` unless the whole plan may be decoded now. Changes nothing. */
  checkPlan(plan: StepPlan): void {
    const { maxBatchTokenCount, maxRowCount } = this.#limits;
    if (plan.entries.length === 0) throw misuse("A plan needs at least one entry.");
    let [tokenCount, rowCount] = [0, 0];
    let previousSlot = -1;
    for (const entry of plan.entries) {
      this.checkSlot(entry.slot);
      if (entry.slot <= previousSlot)
        throw misuse("A plan's entries are ordered by slot, each slot at most once.");
      previousSlot = entry.slot;
      this.#checkEntry(entry);
      tokenCount += entry.tokens.length;
      rowCount += entry.outputs.length;
    }
    if (tokenCount !== plan.tokenCount) {
      throw misuse(`The plan says ${plan.tokenCount} tokens and its entries hold ${tokenCount}.`);
    }
    if (tokenCount > maxBatchTokenCount) {
      throw misuse(`A plan has at most ${maxBatchTokenCount} tokens, given ${tokenCount}.`);
    }
    if (rowCount > maxRowCount) throw misuse(`A plan has at most ${maxRowCount} rows, given ${rowCount}.`);
  }

  #checkEntry({ slot, start, tokens, outputs }: StepPlan["entries"][number]): void {
    const { contextLength, vocabSize } = this.#limits;
    if (tokens.length === 0) throw misuse(`Slot ${slot} has an entry without tokens.`);
    const computedCount = this.#computedCounts[slot]!;
    if (start !== computedCount) {
      throw misuse(`Slot ${slot} continues at position ${computedCount}, given ${start}.`);
    }
    if (start + tokens.length > contextLength) {
      throw misuse(
        `A sequence has at most ${contextLength} positions, and slot ${slot} would have ${start + tokens.length}.`,
      );
    }
    for (const token of tokens) {
      if (!Number.isInteger(token) || token < 0 || token >= vocabSize) {
        throw misuse(`Token ids are integers in [0, ${vocabSize}), and slot ${slot} has ${token}.`);
      }
    }
    let previous = -1;
    for (const output of outputs) {
      if (!Number.isInteger(output) || output <= previous || output >= tokens.length) {
        throw misuse(
          `Outputs of slot ${slot} are ascending indices in [0, ${tokens.length}), given ${output}.`,
        );
      }
      previous = output;
    }
  }

  /** Takes a decoded plan's tokens as computed. */
  commitPlan(plan: StepPlan): void {
    for (const { slot, start, tokens } of plan.entries) this.#computedCounts[slot] = start + tokens.length;
  }

  /** Fails with `engine_misuse` unless the source holds `range` and the target ends where it begins. */
  checkCopy(source: number, target: number, range: PositionRange): void {
    this.checkSlot(source);
    this.checkSlot(target);
    this.#checkRange(range);
    if (source === target) throw misuse(`Slot ${source} cannot be copied onto itself.`);
    const held = this.#computedCounts[source]!;
    if (range.end > held)
      throw misuse(`Slot ${source} holds [0, ${held}), not [${range.start}, ${range.end}).`);
    const targetCount = this.#computedCounts[target]!;
    if (targetCount !== range.start) {
      throw misuse(
        `Slot ${target} holds [0, ${targetCount}); a copy into it begins at ${targetCount}, not at ${range.start}.`,
      );
    }
  }

  commitCopy(target: number, range: PositionRange): void {
    this.#computedCounts[target] = range.end;
  }

  /** Fails with `engine_misuse` where the removal would leave a gap before positions that stay. */
  checkRemove(slot: number, range: PositionRange): void {
    this.checkSlot(slot);
    this.#checkRange(range);
    const held = this.#computedCounts[slot]!;
    if (range.end < held && range.start < range.end) {
      throw misuse(
        `Slot ${slot} holds [0, ${held}); removing [${range.start}, ${range.end}) would leave a gap.`,
      );
    }
  }

  commitRemove(slot: number, range: PositionRange): void {
    if (range.start < range.end)
      this.#computedCounts[slot] = Math.min(this.#computedCounts[slot]!, range.start);
  }

  /** Fails with `engine_misuse` unless the slot is empty and so many tokens fit a sequence. */
  checkRestore(slot: number, tokenCount: number): void {
    this.checkSlot(slot);
    const held = this.#computedCounts[slot]!;
    if (held > 0) throw misuse(`Slot ${slot} holds [0, ${held}); a state is restored into an empty one.`);
    const { contextLength } = this.#limits;
    if (!Number.isInteger(tokenCount) || tokenCount < 1 || tokenCount > contextLength)
      throw misuse(`A state has [1, ${contextLength}] tokens, given ${tokenCount}.`);
  }

  commitRestore(slot: number, tokenCount: number): void {
    this.#computedCounts[slot] = tokenCount;
  }

  checkSlot(slot: number): void {
    const { slotCount } = this.#limits;
    if (Number.isInteger(slot) && slot >= 0 && slot < slotCount) return;
    throw misuse(`Slots are integers in [0, ${slotCount}), given ${slot}.`);
  }

  #checkRange({ start, end }: PositionRange): void {
    if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= 2 ** 31 - 1)
      return;
    throw misuse(`Ranges are half-open, with 0 <= start <= end; given [${start}, ${end}).`);
  }
}

function misuse(detail: string): ServingError {
  return new ServingError("engine_misuse", detail);
}
