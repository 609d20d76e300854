// One sort of garbage: where its things are found, and how one of them is taken away.

import type { Thing } from "../domain/garbage.ts";
import type { References } from "./references.ts";

export interface GarbageSource {
  /** All that there is, with what it refers to. */
  survey(references: References): Promise<readonly Thing[]>;
  /**
   * Takes it away, if nothing refers to it in this moment either and it was not used at `usedSinceMs` or later. Answers
   * whether it went.
   */
  remove(thing: Thing, usedSinceMs: number): Promise<boolean>;
}

/** Whether something refers to it now, or to all of what it belongs to. */
export type IsReferredTo = (...names: readonly string[]) => Promise<boolean>;
