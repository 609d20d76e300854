// A model runner without weights. It keeps the ids that each slot's cells hold, as a real cache does, and makes logits
// of them: a wrong position, a missing copy or a neighbour's cells show as other logits or as an exception.

import { ServingError } from "@corral/contract";
import type { ModelRunner, ModelRunnerLimits, OutputKind, PositionRange } from "../model-runner.ts";
import type { PlanEntry, StepPlan } from "../scheduler/step-plan.ts";
import { byteTokenCount } from "./byte-tokenizer.ts";

/** Logits of the token after `history`, shape `[vocabSize]`, with an adapter or none. */
export type FakeLogits = (
  history: readonly number[],
  vocabSize: number,
  adapter?: string | null,
) => ArrayLike<number>;

export interface FakeModelOptions extends Partial<ModelRunnerLimits> {
  /** Default: `hashedLogits`. */
  readonly logits?: FakeLogits;
  /** Length of an embedding, which is `hashedLogits` of so many ids; default 8. */
  readonly embeddingLength?: number;
  /** Those that are loaded, as of now; default: any. */
  readonly adapters?: ReadonlySet<string>;
  /** Awaited within every `decode`, with its number from 0: holds a step back, or makes it fail by throwing. */
  readonly beforeDecode?: (plan: StepPlan, decodeIndex: number) => Promise<void> | void;
}

export interface FakeModel extends ModelRunner {
  /** Every plan that was computed, oldest first. */
  readonly plans: readonly StepPlan[];
  /** Tokens computed by all plans. */
  readonly decodedTokenCount: number;
  /** Cells in use, shared ones counted once. */
  readonly usedCellCount: number;
  readonly copyCount: number;
  /** The ids that the slot's cells hold. */
  historyOf(slot: number): readonly number[];
}

interface Row {
  readonly kind: OutputKind;
  readonly values: Float32Array;
}

interface Cell {
  readonly token: number;
  /** What it was computed with. */
  readonly adapter: string | null;
  /** Slots that hold it. */
  holderCount: number;
}

/** Adapters as numbers for states, which another fake model may restore: none is 0. */
const adapterNumbers: (string | null)[] = [null];
/** Above every token id. */
const firstTokenOfNextAdapter = 2 ** 20;

export function createFakeModel(options: FakeModelOptions = {}): FakeModel {
  const limits: ModelRunnerLimits = {
    slotCount: options.slotCount ?? 8,
    cellCount: options.cellCount ?? 1024,
    maxBatchTokenCount: options.maxBatchTokenCount ?? 64,
    maxRowCount: options.maxRowCount ?? options.maxBatchTokenCount ?? 64,
    contextLength: options.contextLength ?? 256,
    vocabSize: options.vocabSize ?? byteTokenCount,
  };
  const logitsOf = options.logits ?? hashedLogits;
  const embeddingLength = options.embeddingLength ?? 8;
  const slots = Array.from({ length: limits.slotCount }, (): Cell[] => []);
  const plans: StepPlan[] = [];
  let isDecoding = false;
  let decodeCount = 0;
  let copyCount = 0;

  function cellsOf(slot: number): Cell[] {
    const cells = slots[slot];
    if (cells === undefined) throw misuse(`slot ${slot} of ${limits.slotCount}`);
    if (isDecoding) throw misuse("a call during decode");
    return cells;
  }

  let usedCellCount = 0;

  function cellAsNumber({ token, adapter }: Cell): number {
    if (!adapterNumbers.includes(adapter)) adapterNumbers.push(adapter);
    return token + adapterNumbers.indexOf(adapter) * firstTokenOfNextAdapter;
  }

  function cellOfNumber(number: number): Cell {
    const adapter = adapterNumbers[Math.floor(number / firstTokenOfNextAdapter)] ?? null;
    return { token: number % firstTokenOfNextAdapter, adapter, holderCount: 0 };
  }

  function hold(cells: Cell[], cell: Cell): void {
    cell.holderCount += 1;
    if (cell.holderCount === 1) usedCellCount += 1;
    cells.push(cell);
  }

  function drop(cells: Cell[], length: number): void {
    for (const cell of cells.splice(length)) {
      cell.holderCount -= 1;
      if (cell.holderCount === 0) usedCellCount -= 1;
    }
  }

  /** What llama.cpp would refuse or abort on. */
  function checkPlan(plan: StepPlan): void {
    const counted = plan.entries.reduce((sum, entry) => sum + entry.tokens.length, 0);
    if (counted === 0 || counted !== plan.tokenCount || counted > limits.maxBatchTokenCount) {
      throw misuse(`a plan of ${counted} tokens that says ${plan.tokenCount}`);
    }
    for (const [index, entry] of plan.entries.entries()) {
      const previous = plan.entries[index - 1];
      if (previous !== undefined && previous.slot >= entry.slot) throw misuse("a plan not ordered by slot");
      const held = cellsOf(entry.slot).length;
      if (cellsOf(entry.slot).some(({ adapter }) => adapter !== plan.adapter))
        throw misuse(`cells of slot ${entry.slot} that were computed with another adapter`);
      if (held !== entry.start)
        throw misuse(`position ${entry.start} after ${held} cells of slot ${entry.slot}`);
      if (entry.start + entry.tokens.length > limits.contextLength)
        throw misuse("a position beyond the context");
      if (entry.tokens.some((token) => !(token >= 0 && token < limits.vocabSize))) throw misuse("a token");
    }
    if (plan.adapter !== null && options.adapters?.has(plan.adapter) === false)
      throw new ServingError("decode_failed", `There is no adapter ${plan.adapter}.`);
    const rowCount = plan.entries.reduce((sum, { outputs }) => sum + outputs.length, 0);
    if (rowCount > limits.maxRowCount) throw misuse(`a plan of ${rowCount} rows`);
    if (usedCellCount + counted > limits.cellCount) {
      throw new ServingError(
        "out_of_cells",
        `The cache has ${limits.cellCount} cells and ${counted} more are needed.`,
      );
    }
  }

  function compute(entry: PlanEntry, adapter: string | null): Row[] {
    const { outputKind: kind = "logits" } = entry;
    const cells = cellsOf(entry.slot);
    for (const token of entry.tokens) hold(cells, { token, adapter, holderCount: 0 });
    return entry.outputs.map((output) => {
      const history = cells.slice(0, entry.start + output + 1).map(({ token }) => token);
      const values =
        kind === "logits"
          ? logitsOf(history, limits.vocabSize, adapter)
          : hashedLogits(history, embeddingLength, adapter);
      return { kind, values: Float32Array.from(values) };
    });
  }

  return {
    limits,
    plans,
    get decodedTokenCount() {
      return plans.reduce((sum, plan) => sum + plan.tokenCount, 0);
    },
    get usedCellCount() {
      return usedCellCount;
    },
    get copyCount() {
      return copyCount;
    },
    historyOf: (slot) => cellsOf(slot).map(({ token }) => token),
    async decode(plan) {
      checkPlan(plan);
      isDecoding = true;
      try {
        await options.beforeDecode?.(plan, decodeCount++);
      } finally {
        isDecoding = false;
      }
      const rows = plan.entries.flatMap((entry) => compute(entry, plan.adapter));
      plans.push(plan);
      const valuesOf = (wanted: OutputKind) => (index: number) => {
        const row = rows[index];
        if (row?.kind !== wanted) throw misuse(`row ${index} of ${rows.length} for ${wanted}`);
        return row.values;
      };
      return { rowCount: rows.length, logits: valuesOf("logits"), embedding: valuesOf("embedding") };
    },
    copySequence(source, target, range) {
      const [from, to] = [cellsOf(source), cellsOf(target)];
      checkRange(range, from.length);
      if (to.length !== range.start)
        throw misuse(`a copy to position ${range.start} after ${to.length} cells`);
      for (const cell of from.slice(range.start, range.end)) hold(to, cell);
      copyCount += 1;
    },
    removeSequence(slot, range) {
      const cells = cellsOf(slot);
      if (range === undefined) drop(cells, 0);
      else {
        if (range.start < range.end && range.end < cells.length) throw misuse("a hole in a sequence");
        drop(cells, range.start);
      }
    },
    saveSequence: (slot) =>
      Promise.resolve(new Uint8Array(Int32Array.from(cellsOf(slot), cellAsNumber).buffer)),
    restoreSequence(slot, state, tokenCount) {
      const cells = cellsOf(slot);
      if (cells.length > 0) throw misuse(`a state for slot ${slot}, which holds ${cells.length} cells`);
      const fits = state.byteLength === tokenCount * 4 && usedCellCount + tokenCount <= limits.cellCount;
      if (fits) for (const number of new Int32Array(state.slice().buffer)) hold(cells, cellOfNumber(number));
      return Promise.resolve(fits);
    },
    [Symbol.dispose]() {
      for (const cells of slots) drop(cells, 0);
    },
  };
}

/**
 * Logits in `[-4, 4)` that depend on every id of the history and its place, and on the adapter (FNV-1a, then a mix per
 * id).
 */
export function hashedLogits(
  history: readonly number[],
  vocabSize: number,
  adapter: string | null = null,
): Float32Array {
  let hash = 0x811c9dc5;
  for (const letter of adapter ?? "") hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  for (const token of history) hash = Math.imul(hash ^ (token + 1), 0x01000193) >>> 0;
  const logits = new Float32Array(vocabSize);
  for (let id = 0; id < vocabSize; id++) {
    let mixed = Math.imul(hash ^ Math.imul(id + 1, 0x9e3779b1), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    logits[id] = ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 29 - 4;
  }
  return logits;
}

function checkRange(range: PositionRange, length: number): void {
  if (range.start < 0 || range.start >= range.end || range.end > length) {
    throw misuse(`the range [${range.start}, ${range.end}) of ${length} cells`);
  }
}

function misuse(what: string): ServingError {
  return new ServingError("engine_misuse", `The fake model was given ${what}.`);
}
