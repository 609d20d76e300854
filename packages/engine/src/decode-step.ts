// The engine's one way to the model: does a step's cache operations, computes its tokens, and makes a failure that
// concerns only this step a value. Any other error is thrown on and ends the engine.

import { isServingError } from "@corral/contract";
import type { CacheOperation } from "./cache/cache-operation.ts";
import type { PrefixMove } from "./cache/prefix-move.ts";
import type { Clock } from "./clock.ts";
import type { ModelRunner, StepOutputs } from "./model-runner.ts";
import type { PrefixStore, WrittenPrefix } from "./prefix-store.ts";
import type { ScheduledStep } from "./scheduler/scheduled-step.ts";
import type { DecodedStep } from "./strategies/decoded-step.ts";

export interface DecodeMeans {
  readonly runner: ModelRunner;
  /** The runner's, timed. */
  readonly decode: ModelRunner["decode"];
  /** Null: no operation names it. */
  readonly store: PrefixStore | null;
  readonly clock: Clock;
}

const noOutputs: StepOutputs = { rowCount: 0, logits: noRow, embedding: noRow };

function noRow(row: number): never {
  throw new RangeError(`There is no row ${row}: the step computed nothing.`);
}

export async function decodeStep(means: DecodeMeans, step: ScheduledStep): Promise<DecodedStep> {
  const moves: PrefixMove[] = [];
  for (const operation of step.cacheOperations) {
    const move = await applyOperation(means, operation);
    if (move !== null) moves.push(move);
  }
  if (step.entries.length === 0) return { kind: "computed", outputs: noOutputs, moves };
  try {
    return { kind: "computed", outputs: await means.decode(step), moves };
  } catch (error) {
    if (!isServingError(error)) throw error;
    if (error.code !== "decode_failed" && error.code !== "out_of_cells") throw error;
    return { kind: "failed", code: error.code, detail: error.message, cause: error, moves };
  }
}

async function applyOperation(
  { runner, store, clock }: DecodeMeans,
  operation: CacheOperation,
): Promise<PrefixMove | null> {
  const sinceMs = clock.now();
  switch (operation.kind) {
    case "copy":
      runner.copySequence(operation.source, operation.target, operation.range);
      return null;
    case "remove":
      runner.removeSequence(operation.slot, operation.range);
      return null;
    case "save": {
      const { slot, namespace, ids } = operation;
      const written = await save(runner, store, slot, namespace, ids);
      return { kind: "saved", tokenCount: ids.length, tookMs: clock.now() - sinceMs, written };
    }
    case "restore": {
      const { moveId, slot, key, tokenCount } = operation;
      const state = (await store?.read(key)) ?? null;
      const ok = state !== null && (await runner.restoreSequence(slot, state, tokenCount));
      return { kind: "restored", moveId, slot, key, tokenCount, tookMs: clock.now() - sinceMs, ok };
    }
    default:
      return operation satisfies never;
  }
}

/** Null where it could not be saved: it is computed again when it is wanted, and no generation fails for it. */
async function save(
  runner: ModelRunner,
  store: PrefixStore | null,
  slot: number,
  namespace: string,
  ids: readonly number[],
): Promise<WrittenPrefix | null> {
  let state: Uint8Array;
  try {
    state = await runner.saveSequence(slot);
  } catch (error) {
    // There may be no memory for a copy, or the library no way to make one.
    if (error instanceof RangeError || (isServingError(error) && error.code === "decode_failed")) return null;
    throw error;
  }
  return (await store?.write(namespace, ids, state)) ?? null;
}
