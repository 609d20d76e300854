// What of the returned sequence can no longer change, while the search goes on.

import type { BeamHistory } from "./beam.ts";

/**
 * The ids that all of these begin with. Every sequence that is found later continues a running beam, so where
 * `histories` are all running beams and each finished one that may be returned, whatever is returned begins with them.
 */
export function commonIds(histories: readonly Pick<BeamHistory, "ids">[]): readonly number[] {
  const [first, ...others] = histories;
  if (first === undefined) return [];
  let length = first.ids.length;
  for (const { ids } of others) {
    length = Math.min(length, ids.length);
    for (let index = 0; index < length; index++) if (ids[index] !== first.ids[index]) length = index;
  }
  return first.ids.slice(0, length);
}
