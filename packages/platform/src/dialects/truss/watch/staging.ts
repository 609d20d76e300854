// Which patches wait for their sync: each follows the one before, and they are bounded. None takes another's place: the
// sync that follows would say success of what never ran. The command makes its next patch from the newest that waits.
// Pure.

import type { TrussPatch } from "./patch.ts";

/** Each look at the deployment reads all that wait. */
const mostStaged = 100;
const mostCharacters = 32 * 1024 * 1024;

export type Staged =
  | { readonly kind: "staged"; readonly text: string }
  /** It was made from a state that is not the newest that waits, or not the one that runs where none waits. */
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
  if (!isThere && patch.prev_hash !== (last?.next_hash ?? hash)) return { kind: "another_state" };
  const all = [...(isThere ? staged.slice(0, -1) : staged), patch];
  if (all.length > mostStaged) return { kind: "too_many" };
  const text = JSON.stringify(all);
  return text.length > mostCharacters ? { kind: "too_many" } : { kind: "staged", text };
}

/** Those that were staged behind the last one that was carried out; null: another sync wrote that already. */
export function behind(staged: readonly TrussPatch[], last: TrussPatch): TrussPatch[] | null {
  const at = staged.findIndex(
    ({ prev_hash, next_hash }) => prev_hash === last.prev_hash && next_hash === last.next_hash,
  );
  return at < 0 ? null : staged.slice(at + 1);
}
