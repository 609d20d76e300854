// One thing or a list of them, as a body may have either, worked off without holding up the event loop.

import { setImmediate } from "node:timers/promises";

/** The results in order, or the only one alone. Others have their turn between two. */
export async function forEach<Item, Result>(
  items: readonly Item[],
  isList: boolean,
  work: (item: Item) => Result,
): Promise<Result | Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    if (results.length > 0) await setImmediate();
    results.push(work(item));
  }
  const [first] = results;
  return isList || first === undefined ? results : first;
}
