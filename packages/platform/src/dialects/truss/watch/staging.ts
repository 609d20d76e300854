// Which patches wait for their sync: each follows the one before, and they are bounded. Pure.

import type { TrussPatch } from "./patch.ts";

/** Each look at the deployment reads all that wait. */
const mostStaged = 100;
const mostCharacters = 32 * 1024 * 1024;

export type Staged =
  | { readonly kind: "staged"; readonly text: string }
  /** It was made from a state that is neither the one that runs nor the newest that waits. */
  | { readonly kind: "another_state" }
  | { readonly kind: "too_many" };

/**
 * @param hash of what runs
 * @param staged those that wait, oldest first
 */
export function addPatch(hash: string, staged: readonly TrussPatch[], patch: TrussPatch): Staged {
  const last = staged.at(-1);
  // It is sent again where its answer was lost.
  const isThere = last?.prev_hash === patch.prev_hash && last.next_hash === patch.next_hash;
  const isNext = patch.prev_hash === last?.next_hash;
  if (!isThere && !isNext && patch.prev_hash !== hash) return { kind: "another_state" };
  const all = [...(isThere ? staged.slice(0, -1) : isNext ? staged : []), patch];
  if (all.length > mostStaged) return { kind: "too_many" };
  const text = JSON.stringify(all);
  return text.length > mostCharacters ? { kind: "too_many" } : { kind: "staged", text };
}

/** Those that were staged behind the last one that was carried out. */
export function behind(staged: readonly TrussPatch[], last: TrussPatch): TrussPatch[] {
  const at = staged.findIndex(
    ({ prev_hash, next_hash }) => prev_hash === last.prev_hash && next_hash === last.next_hash,
  );
  return at < 0 ? [] : staged.slice(at + 1);
}
