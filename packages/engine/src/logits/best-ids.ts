// The best tokens of a row in order.

import { kthLargest } from "./select.ts";

/** The ids of the `count` best scores, descending, equal ones in order of id; fewer where the rest is -Infinity. */
export function bestIds(scores: Float32Array, count: number): number[] {
  const least = kthLargest(scores, Math.min(count, scores.length));
  const above: number[] = [];
  const ties: number[] = [];
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score > least) above.push(id);
    else if (score === least && score > -Infinity && ties.length < count) ties.push(id);
  }
  above.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return [...above, ...ties].slice(0, count);
}
