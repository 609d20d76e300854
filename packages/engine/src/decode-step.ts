// The engine's one way to the model: does a step's cache operations, computes its tokens, and makes a failure that
// concerns only this step a value. Any other error is thrown on and ends the engine.

import { isServingError } from "@corral/contract";
import type { CacheOperation } from "./cache/cache-operation.ts";
import type { ModelRunner, StepOutputs } from "./model-runner.ts";
import type { ScheduledStep } from "./scheduler/scheduled-step.ts";
import type { DecodedStep } from "./strategies/decoded-step.ts";

const noOutputs: StepOutputs = {
  rowCount: 0,
  logits(row) {
    throw new RangeError(`There is no row ${row}: the step computed nothing.`);
  },
};

export async function decodeStep(runner: ModelRunner, step: ScheduledStep): Promise<DecodedStep> {
  for (const operation of step.cacheOperations) applyOperation(runner, operation);
  if (step.entries.length === 0) return { kind: "computed", outputs: noOutputs };
  try {
    return { kind: "computed", outputs: await runner.decode(step) };
  } catch (error) {
    if (!isServingError(error)) throw error;
    if (error.code !== "decode_failed" && error.code !== "out_of_cells") throw error;
    return { kind: "failed", code: error.code, detail: error.message, cause: error };
  }
}

function applyOperation(runner: ModelRunner, operation: CacheOperation): void {
  if (operation.kind === "copy") {
    runner.copySequence(operation.source, operation.target, operation.range);
  } else runner.removeSequence(operation.slot, operation.range);
}
