// A run that author code carries out. What it used is what its calls of the replica's model took.

import type { GenerationUsage } from "@corral/engine";
import type { ForwardedCall } from "../call-headers.ts";
import type { RunBudget } from "../run-budgets.ts";
import type { RunHandle } from "../run-ledger.ts";

export class CodeRun implements RunHandle {
  readonly forwarded: ForwardedCall;
  readonly receivedAtMs: number;
  readonly budget: RunBudget;
  readonly #onAbort: () => void;
  readonly #inside = new Set<RunHandle>();
  #spent: GenerationUsage = { promptTokenCount: 0, cachedTokenCount: 0, generatedTokenCount: 0 };
  #isOver = false;

  constructor(forwarded: ForwardedCall, receivedAtMs: number, budget: RunBudget, onAbort: () => void) {
    this.forwarded = forwarded;
    this.receivedAtMs = receivedAtMs;
    this.budget = budget;
    this.#onAbort = onAbort;
  }

  /** So far, generations under way included. */
  get usage(): GenerationUsage {
    return [...this.#inside].reduce((sum, { usage }) => add(sum, usage), this.#spent);
  }

  /** The caller, or the platform, wants no answer any more. */
  abort(): void {
    this.#onAbort();
  }

  /** Something in the engine works for this run; gives what is to be called once at its end. */
  track(handle: RunHandle): () => void {
    this.#inside.add(handle);
    // It was begun while the run ended.
    if (this.#isOver) handle.abort();
    return () => {
      if (!this.#inside.delete(handle)) return;
      this.#spent = add(this.#spent, handle.usage);
    };
  }

  /** Nothing computes for a run that has ended. */
  end(): void {
    this.#isOver = true;
    for (const handle of this.#inside) handle.abort();
  }
}

function add(a: GenerationUsage, b: GenerationUsage): GenerationUsage {
  return {
    promptTokenCount: a.promptTokenCount + b.promptTokenCount,
    cachedTokenCount: a.cachedTokenCount + b.cachedTokenCount,
    generatedTokenCount: a.generatedTokenCount + b.generatedTokenCount,
  };
}
