// Which prefixes the store has: the longest one for a prompt, and what moving one to or from the store costs.
// Knows nothing of files or cells.

import type { StoredPrefix } from "../prefix-store.ts";
import { createPrefixTree } from "./prefix-tree.ts";

export interface StoredMatch {
  readonly stored: StoredPrefix;
  /** Ids `[0, length)` are common. */
  readonly length: number;
}

export interface StoredPrefixes {
  add(stored: StoredPrefix): void;
  remove(key: string): void;
  match(namespace: string, ids: readonly number[], limit: number): StoredMatch | null;
  /** A prefix of so many tokens took so long to move. */
  observeMove(tokenCount: number, tookMs: number): void;
  moveMs(tokenCount: number): number;
}

/** Before the first move: 64 KiB a token at 2 GB/s. */
const firstMsPerToken = 0.03;
const newestWeight = 0.2;

export function createStoredPrefixes(entries: readonly StoredPrefix[]): StoredPrefixes {
  const tree = createPrefixTree();
  const byNumber = new Map<number, StoredPrefix>();
  const numbers = new Map<string, number>();
  let nextNumber = 0;
  let msPerToken = firstMsPerToken;

  function add(stored: StoredPrefix): void {
    if (numbers.has(stored.key)) return;
    const number = nextNumber++;
    tree.open(stored.namespace, number);
    tree.extend(number, stored.ids);
    byNumber.set(number, stored);
    numbers.set(stored.key, number);
  }

  for (const stored of entries) add(stored);
  return {
    add,
    remove(key) {
      const number = numbers.get(key);
      if (number === undefined) return;
      tree.close(number);
      numbers.delete(key);
      byNumber.delete(number);
    },
    match(namespace, ids, limit) {
      const found = tree.match(namespace, ids, limit, () => Infinity);
      const stored = found === null ? undefined : byNumber.get(found.slot);
      return found === null || stored === undefined ? null : { stored, length: found.length };
    },
    observeMove(tokenCount, tookMs) {
      msPerToken += newestWeight * (tookMs / Math.max(1, tokenCount) - msPerToken);
    },
    moveMs: (tokenCount) => msPerToken * tokenCount,
  };
}
