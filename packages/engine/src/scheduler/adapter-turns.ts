// Whose turn it is among the adapters: the model computes a step with one of them, and changing it costs time. Pure.
// Groups of all adapters get on alike: the adapters go round, one turn each, whatever the groups' priorities.

import type { Group } from "../group.ts";

export interface AdapterTurns {
  /**
   * The running groups in lists of one adapter each, in the order in which they may have the next step; null where all
   * are of one adapter, which need no turns. `shareMs`: how long all turns together may take.
   */
  order(groups: readonly Group[], nowMs: number, shareMs: number): readonly (readonly Group[])[] | null;
  /** The next step is of this adapter. True where the one before was of another. */
  begin(adapter: string | null, nowMs: number): boolean;
  /** A step after a change of adapters took so much longer than others. */
  observeChange(extraMs: number): void;
  /** What a change takes. */
  readonly changeMs: number;
}

/** A turn lasts so many times as long as a change takes, which then costs an eighth of the time at most. */
const turnPerChange = 8;
const newestWeight = 0.25;

export function createAdapterTurns(): AdapterTurns {
  /** Adapters with running groups: the one whose turn it is, then who waits longest. Empty while there is but one. */
  let line: (string | null)[] = [];
  let current: string | null = null;
  let turnSinceMs = 0;
  let changeMs = 0;

  function goRound(byAdapter: ReadonlyMap<string | null, unknown>, nowMs: number, shareMs: number): void {
    // Who comes waits for all who are there already, so that nobody who comes again and again goes before them.
    if (line.length === 0) line.push(current);
    for (const adapter of byAdapter.keys()) if (!line.includes(adapter)) line.push(adapter);
    line = line.filter((adapter) => byAdapter.has(adapter));
    const turnMs = Math.min(turnPerChange * changeMs, shareMs / line.length);
    if (line[0] !== current || nowMs - turnSinceMs < turnMs) return;
    line.push(...line.splice(0, 1));
  }

  return {
    order(groups, nowMs, shareMs) {
      const first = groups[0]?.spec.adapter ?? null;
      let areMixed = false;
      for (const { spec } of groups) if ((spec.adapter ?? null) !== first) areMixed = true;
      if (!areMixed) {
        line.length = 0;
        return null;
      }
      const byAdapter = Map.groupBy(groups, ({ spec }) => spec.adapter ?? null);
      goRound(byAdapter, nowMs, shareMs);
      return line.map((adapter) => byAdapter.get(adapter) ?? []);
    },
    begin(adapter, nowMs) {
      if (adapter === current) return false;
      current = adapter;
      turnSinceMs = nowMs;
      const place = line.indexOf(adapter);
      // Those before it had nothing to compute: they keep their places behind it.
      if (place > 0) line.unshift(...line.splice(place, 1));
      return true;
    },
    observeChange(extraMs) {
      changeMs += newestWeight * (Math.max(0, extraMs) - changeMs);
    },
    get changeMs() {
      return changeMs;
    },
  };
}
