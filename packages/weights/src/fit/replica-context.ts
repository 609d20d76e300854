// The context that a replica opens: what a bundle or deployment leaves open, filled in. Pure; the platform's check and
// the replica itself use it, so that they agree.

import type { CacheType, Precision } from "@corral/contract";
import { cellStep } from "./kv-cache.ts";

export interface ContextWishes {
  /** Most tokens of one sequence; null: what the model was trained for. */
  readonly contextLength: number | null;
  /** Cells of the KV cache; null: enough for one full context at least. */
  readonly cellCount: number | null;
  readonly slotCount: number;
  readonly maxBatchTokenCount: number;
  readonly precision: Precision;
  /** Absent: f16, or f32 for `reference`. */
  readonly cacheType?: CacheType | undefined;
}

export interface ReplicaContext {
  readonly contextLength: number;
  readonly cellCount: number;
  readonly slotCount: number;
  readonly maxBatchTokenCount: number;
  /** Tokens the device takes at once. */
  readonly microBatchTokenCount: number;
  /** Rows of outputs that a step may have. */
  readonly rowCount: number;
  readonly cacheType: CacheType;
  readonly flashAttention: boolean;
}

/** Cells of the KV cache where nobody names a number and the context is shorter. */
export const defaultCellCount = 16_384;

/** 65 rows of the widest vocabularies: rows beyond do not make a step of a prompt much faster. */
const mostLogitsBytes = 32 * 1024 ** 2;

/** More at once is not faster. */
const mostMicroBatchTokens = 512;
/** Plain attention holds a score per head, cell and token at once; 128 is as fast as 512 and a quarter of it. */
const mostPlainTokens = 128;

/** Cells that are tried first; those that nobody asked for shrink where memory is short, down to one full context. */
export function wantedCellCount(wishes: Pick<ContextWishes, "cellCount">, contextLength: number): number {
  return roundUp(wishes.cellCount ?? Math.max(contextLength, defaultCellCount));
}

/** @param cellCount rounded up to a multiple of 256 */
export function replicaContext(
  wishes: ContextWishes,
  trainedContextLength: number | null,
  vocabularySize: number,
  cellCount?: number,
): ReplicaContext {
  const { slotCount, precision } = wishes;
  const contextLength = wishes.contextLength ?? trainedContextLength ?? defaultCellCount;
  const cells = roundUp(cellCount ?? wantedCellCount(wishes, contextLength));
  const maxBatchTokenCount = Math.min(wishes.maxBatchTokenCount, cells);
  const isReference = precision === "reference";
  return {
    contextLength,
    cellCount: cells,
    slotCount,
    maxBatchTokenCount,
    microBatchTokenCount: Math.min(isReference ? mostPlainTokens : mostMicroBatchTokens, maxBatchTokenCount),
    rowCount: mostRowCount(vocabularySize, slotCount, maxBatchTokenCount),
    cacheType: wishes.cacheType ?? (isReference ? "f32" : "f16"),
    flashAttention: !isReference,
  };
}

/** One row for each slot at least. A row is counted as logits: one of embeddings has them, too. */
export function mostRowCount(vocabularySize: number, slotCount: number, maxBatchTokenCount: number): number {
  const affordable = Math.floor(mostLogitsBytes / (4 * Math.max(1, vocabularySize)));
  return Math.max(slotCount, Math.min(affordable, maxBatchTokenCount));
}

const roundUp = (cells: number) => Math.ceil(cells / cellStep) * cellStep;
