// The KV cache as the scheduler sees it: slots with the ids they know and the cells they hold, sequences that ended and
// are kept for their prefix, and which of those go when room is needed. Pure: what the runner has to do is kept as
// operations.

import type { CacheOperation } from "./cache-operation.ts";
import { createCells } from "./cells.ts";
import type { PrefixMove } from "./prefix-move.ts";
import { createPrefixTree, type PrefixMatch } from "./prefix-tree.ts";
import { createSlots } from "./slots.ts";
import type { StoredMatch, StoredPrefixes } from "./stored-prefixes.ts";

export interface KvCacheOptions {
  readonly slotCount: number;
  readonly cellCount: number;
  /** False: nothing is kept and nothing is shared but forks. */
  readonly sharesPrefixes: boolean;
  /** What computing the positions `[start, end)` of one sequence would cost, in any unit. */
  readonly costOf: (start: number, end: number) => number;
  /** What is in the store that prefixes go to before they are let go; null: there is none. */
  readonly stored: StoredPrefixes | null;
}

export interface KvCache {
  /** Slots that can be taken: the free ones and those that are kept. */
  readonly takeableSlotCount: number;
  /** Cells that can be taken: the free ones and those that only kept slots hold. */
  readonly takeableCellCount: number;
  /** Cells that living sequences hold, shared ones counted once; and those that only kept ones hold. */
  readonly liveCellCount: number;
  readonly keptCellCount: number;
  readonly keptSlotCount: number;
  /** Takes slots, the cheapest kept ones among them where too few are free; null where there are not enough. */
  takeSlots(count: number): number[] | null;
  /** Gives back slots without cells. */
  giveSlots(slots: readonly number[]): void;
  /** A slot that was taken begins to know `ids` in `namespace`; none of them is computed. */
  open(slot: number, namespace: string, ids: readonly number[]): void;
  /** The slot with the longest usable prefix of `ids[0, limit)` and its length; see `PrefixTree.match`. */
  match(
    namespace: string,
    ids: readonly number[],
    limit: number,
    usable: (slot: number) => number,
  ): PrefixMatch | null;
  /** The opened slot `target`, which holds no cell, shares the cells of `source`'s positions `[0, length)`. */
  share(source: number, target: number, length: number): void;
  /** The slot that was taken becomes a copy of an opened one, with its first `computedCount` cells. */
  fork(source: number, target: number, computedCount: number): void;
  /** More ids become known. */
  append(slot: number, ids: readonly number[]): void;
  /** Frees cells by letting kept slots go, cheapest first, until `count` are free; false where that is not enough. */
  makeRoom(count: number): boolean;
  /** `count` more positions are being computed; there must be room. */
  compute(slot: number, count: number): void;
  /** Only the ids `[0, knownCount)` stay known, with the cells of `[0, computedCount)`. */
  truncate(slot: number, knownCount: number, computedCount: number): void;
  /** The slot knows and holds nothing any more; it stays taken. */
  close(slot: number): void;
  /** Ends the use of an opened slot that knew `ids`: it is kept for its prefix where that is worth something, else free. */
  retire(slot: number, namespace: string, ids: readonly number[]): void;
  /** Cells that may be shared or built on: none while the slot is being restored. */
  computedCountOf(slot: number): number;
  /** Cells of the slot that no other holds. */
  uniqueCountOf(slot: number): number;
  /** Moves to and from the store may take so long altogether from now on; those that would take longer are not made. */
  allowMoves(totalMs: number): void;
  /**
   * The longest prefix of `ids[0, limit)` in the store, where moving it here beats computing it from `computedCount` on;
   * `fitsNow`: there is time for that now, and not only after the next `allowMoves`.
   */
  matchStored(
    namespace: string,
    ids: readonly number[],
    limit: number,
    computedCount: number,
  ): (StoredMatch & { readonly fitsNow: boolean }) | null;
  /** The opened slot, which holds no cell, is filled from the store; false where there is no room. */
  restore(slot: number, match: StoredMatch): boolean;
  /** Takes in what became of a step's moves. Gives for each slot that was restored the ids it holds, 0 where it failed. */
  settleMoves(moves: readonly PrefixMove[]): ReadonlyMap<number, number>;
  /**
   * `tokenCount` tokens are being computed, each past every kept cell. What was passed over long enough unused goes to
   * the store, if getting it back costs next to nothing against computing it. Moves take at most `boundMs` together,
   * and what could not come back within that, beside running sequences, stays.
   */
  passOver(tokenCount: number, boundMs: number): void;
  /** Has the kept prefix whose loss would cost most saved, of those that are worth it and not in the store. */
  saveMostValuable(): boolean;
  isKept(slot: number): boolean;
  isFree(slot: number): boolean;
  takeOperations(): readonly CacheOperation[];
  readonly hasOperations: boolean;
  /** `live`: the ids that each opened slot should know. */
  integrity(live: ReadonlyMap<number, readonly number[]>): string[];
}

interface KeptPrefix {
  readonly namespace: string;
  readonly ids: readonly number[];
  /** Requests that used it; the one that made it counts. */
  useCount: number;
  /** What was let go before it was last used: the older, the less it counts. */
  age: number;
  /** Tokens of others that were computed past its cells since it was last used or looked at. */
  passedTokenCount: number;
}

/** A shorter prefix is computed sooner than it is looked after. */
const shortestKeptLength = 8;
/** A shorter one is not worth a file. */
const shortestSavedLength = 32;
/** So many times cheaper a move has to be than computing again: it takes the time of running sequences, too. */
const leastSaving = 3;
/** The same for what goes while there is still room: all that was ever computed may then be moved once. */
const leastSavingWithRoom = 10;
/** Attention passes over the cells of others; for so many tokens that takes about as long as moving the cells (ADR 22). */
const passedTokenLimit = 256;

export function createKvCache(options: KvCacheOptions): KvCache {
  const { slotCount, cellCount, sharesPrefixes, costOf, stored } = options;
  const slots = createSlots(slotCount);
  const cells = createCells(cellCount, slotCount);
  const tree = createPrefixTree();
  const kept = new Map<number, KeptPrefix>();
  /** Slots that the next step fills from the store: how many of their ids will be used. */
  const restoring = new Map<number, { readonly moveId: number; readonly length: number }>();
  let moveCount = 0;
  let movesMs = Infinity;
  let movesLeftMs = Infinity;
  /** Kept slots whose saving is under way or has failed. */
  const savedSlots = new Set<number>();
  /** The value of what was let go last: new and used prefixes start from it, so that the unused age. */
  let inflation = 0;

  /**
   * What is lost with a kept prefix, per cell that is won: the greedy-dual rule with frequency.
   * Source: Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching" (HPL-98-69R1).
   */
  function valueOf(slot: number, prefix: KeptPrefix): number {
    const length = cells.lengthOf(slot);
    const uniqueCount = cells.uniqueCountOf(slot);
    if (uniqueCount === 0) return prefix.age;
    return prefix.age + (prefix.useCount * costOf(length - uniqueCount, length)) / uniqueCount;
  }

  const computedCountOf = (slot: number) => (restoring.has(slot) ? 0 : cells.lengthOf(slot));

  /** How many of its ids the store has, from the first on. */
  function storedLength({ namespace, ids }: KeptPrefix): number {
    return stored?.match(namespace, ids, ids.length)?.length ?? 0;
  }

  function isWorthSaving(slot: number, prefix: KeptPrefix, saving = leastSaving): boolean {
    const { ids } = prefix;
    if (stored === null || ids.length < shortestSavedLength || savedSlots.has(slot)) return false;
    const known = storedLength(prefix);
    // A file that lacks the last few ids of a chat's turn is as good as a new one.
    if (ids.length - known < shortestSavedLength) return false;
    const movedMs = stored.moveMs(ids.length);
    return movedMs <= movesLeftMs && costOf(known, ids.length) >= saving * movedMs;
  }

  /** Whether it can be had back from the store for next to nothing, once it is there. */
  function isBetterStored(slot: number, prefix: KeptPrefix): boolean {
    const { length } = prefix.ids;
    if (stored === null || length < shortestSavedLength) return false;
    if (costOf(0, length) < leastSavingWithRoom * stored.moveMs(length)) return false;
    const isThere = length - storedLength(prefix) < shortestSavedLength;
    return isThere || isWorthSaving(slot, prefix, leastSavingWithRoom);
  }

  function save(slot: number, { namespace, ids }: KeptPrefix): void {
    savedSlots.add(slot);
    movesLeftMs -= stored?.moveMs(ids.length) ?? 0;
    cells.note({ kind: "save", slot, namespace, ids });
  }

  function letGo(slot: number, saves = true): void {
    const prefix = kept.get(slot);
    if (saves && prefix !== undefined && isWorthSaving(slot, prefix)) save(slot, prefix);
    savedSlots.delete(slot);
    kept.delete(slot);
    tree.close(slot);
    cells.truncate(slot, 0);
    slots.give([slot]);
  }

  /** False where nothing is kept. */
  function letCheapestGo(): boolean {
    let cheapest: { slot: number; value: number } | null = null;
    for (const [slot, prefix] of kept) {
      const value = valueOf(slot, prefix);
      if (cheapest === null || value < cheapest.value) cheapest = { slot, value };
    }
    if (cheapest === null) return false;
    inflation = Math.max(inflation, cheapest.value);
    letGo(cheapest.slot);
    return true;
  }

  function makeRoom(count: number): boolean {
    while (cellCount - cells.usedCount < count) if (!letCheapestGo()) return false;
    return true;
  }

  function close(slot: number): void {
    restoring.delete(slot);
    tree.close(slot);
    cells.truncate(slot, 0);
  }

  function isWorthKeeping(slot: number): boolean {
    const length = cells.lengthOf(slot);
    if (!sharesPrefixes || length < shortestKeptLength) return false;
    return !tree.coveringSlots(slot).some((other) => computedCountOf(other) >= length);
  }

  return {
    get takeableSlotCount() {
      return slots.freeCount + kept.size;
    },
    get takeableCellCount() {
      return cellCount - cells.liveCount;
    },
    get liveCellCount() {
      return cells.liveCount;
    },
    get keptCellCount() {
      return cells.usedCount - cells.liveCount;
    },
    get keptSlotCount() {
      return kept.size;
    },
    takeSlots(count) {
      if (count > slots.freeCount + kept.size) return null;
      while (slots.freeCount < count) letCheapestGo();
      return slots.take(count);
    },
    giveSlots: (given) => slots.give(given),
    open(slot, namespace, ids) {
      tree.open(namespace, slot);
      tree.extend(slot, ids);
    },
    match(namespace, ids, limit, usable) {
      return sharesPrefixes ? tree.match(namespace, ids, limit, usable) : null;
    },
    share(source, target, length) {
      cells.share(source, target, length);
      const prefix = kept.get(source);
      if (prefix === undefined) return;
      prefix.useCount += 1;
      prefix.age = inflation;
      prefix.passedTokenCount = 0;
    },
    fork(source, target, computedCount) {
      tree.fork(source, target);
      cells.share(source, target, computedCount);
    },
    append: (slot, ids) => tree.extend(slot, ids),
    makeRoom,
    compute: (slot, count) => cells.extend(slot, count),
    truncate(slot, knownCount, computedCount) {
      tree.truncate(slot, knownCount);
      if (computedCount === 0) restoring.delete(slot);
      cells.truncate(slot, computedCount);
    },
    close,
    retire(slot, namespace, ids) {
      const length = cells.lengthOf(slot);
      tree.truncate(slot, length);
      if (!isWorthKeeping(slot)) {
        close(slot);
        slots.give([slot]);
        return;
      }
      const covered = tree.coveredSlots(slot).filter((other) => kept.has(other));
      const useCount = covered.reduce((most, other) => Math.max(most, kept.get(other)?.useCount ?? 1), 1);
      for (const other of covered) letGo(other, false);
      cells.keep(slot);
      const own = ids.slice(0, length);
      kept.set(slot, { namespace, ids: own, useCount, age: inflation, passedTokenCount: 0 });
    },
    computedCountOf,
    uniqueCountOf: (slot) => cells.uniqueCountOf(slot),
    allowMoves(totalMs) {
      movesMs = totalMs;
      movesLeftMs = totalMs;
    },
    matchStored(namespace, ids, limit, computedCount) {
      const match = stored === null || !sharesPrefixes ? null : stored.match(namespace, ids, limit);
      if (stored === null || match === null || match.length - computedCount < shortestSavedLength)
        return null;
      const movedMs = stored.moveMs(match.stored.ids.length);
      if (movedMs > movesMs || costOf(computedCount, match.length) < leastSaving * movedMs) return null;
      return { ...match, fitsNow: movedMs <= movesLeftMs };
    },
    restore(slot, { stored: { key, ids }, length }) {
      if (ids.length > cellCount - cells.liveCount || !makeRoom(ids.length)) return false;
      cells.extend(slot, ids.length);
      const moveId = moveCount++;
      cells.note({ kind: "restore", moveId, slot, key, tokenCount: ids.length });
      restoring.set(slot, { moveId, length });
      movesLeftMs -= stored?.moveMs(ids.length) ?? 0;
      return true;
    },
    settleMoves(moves) {
      const restored = new Map<number, number>();
      for (const move of moves) {
        stored?.observeMove(move.tokenCount, move.tookMs);
        if (move.kind === "saved") {
          if (move.written !== null) stored?.add(move.written.stored);
          for (const key of move.written?.removedKeys ?? []) stored?.remove(key);
          continue;
        }
        if (!move.ok) stored?.remove(move.key);
        const wanted = restoring.get(move.slot);
        // The sequence may have ended meanwhile, and its slot been emptied after the move.
        if (wanted?.moveId !== move.moveId) continue;
        const length = move.ok ? wanted.length : 0;
        restoring.delete(move.slot);
        cells.truncate(move.slot, length);
        restored.set(move.slot, length);
      }
      return restored;
    },
    passOver(tokenCount, boundMs) {
      movesLeftMs = Math.min(movesLeftMs, boundMs);
      for (const [slot, prefix] of kept) {
        const { length } = prefix.ids;
        prefix.passedTokenCount += tokenCount;
        if (prefix.passedTokenCount < passedTokenLimit) continue;
        // The whole of it is moved; only the cells that it shares with nobody come free.
        if (prefix.passedTokenCount * cells.uniqueCountOf(slot) < passedTokenLimit * length) continue;
        const movedMs = stored?.moveMs(length) ?? Infinity;
        // It has its turn in a later step.
        if (movedMs > movesLeftMs && movedMs <= boundMs) continue;
        prefix.passedTokenCount = 0;
        if (movedMs <= boundMs && isBetterStored(slot, prefix)) letGo(slot);
      }
    },
    saveMostValuable() {
      let best: { slot: number; value: number; prefix: KeptPrefix } | null = null;
      for (const [slot, prefix] of kept) {
        if (!isWorthSaving(slot, prefix)) continue;
        const value = prefix.useCount * costOf(0, prefix.ids.length);
        if (best === null || value > best.value) best = { slot, value, prefix };
      }
      if (best === null) return false;
      save(best.slot, best.prefix);
      return true;
    },
    isKept: (slot) => kept.has(slot),
    isFree: (slot) => slots.isFree(slot),
    takeOperations: () => cells.takeOperations(),
    get hasOperations() {
      return cells.hasOperations;
    },
    integrity(live) {
      const expected = new Map(live);
      const problems = cells.integrity();
      for (const [slot, { ids }] of kept) {
        expected.set(slot, ids);
        if (live.has(slot)) problems.push(`Slot ${slot} is kept and in use.`);
        if (slots.isFree(slot)) problems.push(`Slot ${slot} is kept and free.`);
        if (cells.lengthOf(slot) !== ids.length)
          problems.push(`Kept slot ${slot} and its cells differ in length.`);
      }
      return [...problems, ...tree.integrity(expected)];
    },
  };
}
