// How much each API key holds on this replica: the sum of sequences × total length over its queued and running calls.
// Pure bookkeeping; knows nothing of the engine's own limits.

import { ServingError } from "@corral/contract";

export interface KeyClaim {
  /** Whom the cap counts for: the key, or the project of a call without one. */
  readonly holder: string;
  /** Sequences × (prompt + most new tokens). */
  readonly tokenCount: number;
  /** Most tokens the holder may have at once; null: no cap. */
  readonly cap: number | null;
  /** What the tokens are counted of, and how to ask for fewer. Default: those of a generation. */
  readonly counted?: { readonly of: string; readonly remedy: string };
}

const ofGeneration = {
  of: "sequences × (prompt + new tokens)",
  remedy: "Ask for fewer sequences or set a smaller max_new_tokens or max_length.",
};

export class KeyLimits {
  readonly #held = new Map<string, number>();

  held(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  /**
   * Takes the claim and gives what returns it, to be called once. Fails with `invalid_parameter` where the call alone
   * is over the cap, `key_limit_exceeded` where it is with the calls that run.
   */
  claim({ holder, tokenCount, cap, counted = ofGeneration }: KeyClaim): () => void {
    const held = this.held(holder);
    if (cap !== null && tokenCount > cap) {
      const message =
        `The call may take ${tokenCount} tokens (${counted.of}) and the API key may hold ${cap}. ` +
        counted.remedy;
      throw new ServingError("invalid_parameter", message, {
        errors: [{ pointer: "", code: "invalid_parameter", message }],
      });
    }
    if (cap !== null && held + tokenCount > cap) {
      throw new ServingError(
        "key_limit_exceeded",
        `The API key holds ${held} of its ${cap} tokens in calls that run or wait, and this call may take ${tokenCount} more.`,
        { retryAfterSeconds: 1 },
      );
    }
    this.#held.set(holder, held + tokenCount);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const left = this.held(holder) - tokenCount;
      if (left > 0) this.#held.set(holder, left);
      else this.#held.delete(holder);
    };
  }
}
