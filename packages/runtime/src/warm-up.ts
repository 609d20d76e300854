// The first steps of a GPU, before anybody waits for one.

import { createStepPlan, type ModelRunner } from "@corral/engine";

/** Enough that a step is computed as a long prompt's is. */
const promptTokenCount = 128;

/**
 * Computes a prompt and one more token, and forgets them. A driver loads a kernel when it is first used, or even
 * translates it for the GPU; the first caller should not wait for that, nor the scheduler take it for a step's cost.
 */
export async function warmUp(runner: ModelRunner): Promise<void> {
  const { maxBatchTokenCount, contextLength } = runner.limits;
  const count = Math.min(promptTokenCount, maxBatchTokenCount, contextLength - 1);
  if (count < 1) return;
  const slot = 0;
  const tokens = Array.from({ length: count }, () => 0);
  await runner.decode(createStepPlan([{ slot, start: 0, tokens, outputs: [count - 1] }]));
  await runner.decode(createStepPlan([{ slot, start: count, tokens: [0], outputs: [0] }]));
  runner.removeSequence(slot);
}
