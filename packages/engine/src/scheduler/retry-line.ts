// The line of callers who found the queue full and were told when to come again: each is promised another place, and it
// is kept for that call when it comes back. Pure.

/** What is known of a call before it has a place. */
export interface CallInLine {
  readonly owner: string;
  /** Above 0. */
  readonly weight: number;
  /** The same for a call and its retry: a run's id is not. */
  readonly content: string;
}

export interface RetryLine {
  /** A group left the queue for the engine, or left it otherwise: a place became free. */
  placeFreed(nowMs: number): void;
  /**
   * So many groups wait after all that fit were let in. Where nobody does, the time until somebody does is no measure of
   * how fast places become free, nor are those who then find the engine idle.
   */
  settled(waitingGroupCount: number, nowMs: number): void;
  /**
   * Null: a place is free that nobody ahead of the call was promised; it leaves the line and must take it.
   * Else the seconds after which one will be, in [0.05, 600]; until then it has its place in the line.
   */
  ask(call: CallInLine, freePlaceCount: number, nowMs: number): number | null;
  /** What is wrong, as sentences; empty when all is well. */
  integrity(): string[];
}

interface Entry {
  readonly call: CallInLine;
  /** Its order in the line; a call that is told a later time keeps it. */
  readonly dueAtMs: number;
  /** When it comes if it keeps to whole seconds, as `Retry-After` does. */
  comesAtMs: number;
  /** Who has not come by then has no place any more. */
  expiresAtMs: number;
}

/** The weight of the past when a place is freed: the last fifty or so count, as places come in bursts. */
const memory = 0.98;
/** The weight of the newest caller who came when it was told, or did not. */
const newestShowWeight = 0.02;
const leastShowRate = 0.05;
/** A call that comes this long before its time is taken for its retry. */
const earlyMs = 50;
/** Before it is known how fast places become free. */
const firstWaitMs = 1_000;
const bounds = { leastMs: 50, mostMs: 600_000 };
const mostEntryCount = 10_000;
/** How late a caller may be. */
const graceMs = (waitMs: number) => 1_000 + waitMs / 10;

/** At most half of the places are kept for those in the line, so that no-shows never leave the engine idle. */
export function createRetryLine(placeCount: number): RetryLine {
  const mostKeptCount = Math.floor(placeCount / 2);
  /** By the time they are due. */
  const line: Entry[] = [];
  const owners = new Map<string, { count: number; weight: number }>();
  const byContent = new Map<string, Entry[]>();
  /** When the last place became free while groups waited for it, or when they began to; null: none waits. */
  let waitingSinceMs: number | null = null;
  let freedCount = 0;
  let freedMs = 0;
  /** Of those who were told a time, the share that came for their place. */
  let showRate = 1;

  /** Where an entry that is due then stands, or would: behind those due at the same time. */
  function indexAt(dueAtMs: number): number {
    let [low, high] = [0, line.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((line[middle]?.dueAtMs ?? Infinity) <= dueAtMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function remove(index: number): void {
    const [entry] = line.splice(index, 1);
    if (entry === undefined) return;
    const { owner, content } = entry.call;
    const held = owners.get(owner);
    if (held !== undefined && --held.count === 0) owners.delete(owner);
    const alike = byContent.get(keyOf(owner, content))?.filter((other) => other !== entry) ?? [];
    if (alike.length === 0) byContent.delete(keyOf(owner, content));
    else byContent.set(keyOf(owner, content), alike);
  }

  function removeExpired(nowMs: number): void {
    for (let index = 0; ;) {
      const entry = line[index];
      if (entry === undefined || entry.dueAtMs > nowMs) return;
      if (entry.expiresAtMs >= nowMs) index += 1;
      else {
        remove(index);
        countShow(0);
      }
    }
  }

  function countShow(came: 0 | 1): void {
    showRate = Math.max(leastShowRate, showRate + newestShowWeight * (came - showRate));
  }

  /** Calls ahead of a new one: those of its owner, and of every other as many as are its due meanwhile. */
  function aheadOfNew({ owner, weight }: CallInLine): number {
    const turn = (owners.get(owner)?.count ?? 0) + 1;
    let ahead = turn - 1;
    for (const [other, held] of owners) {
      if (other !== owner) ahead += Math.min(held.count, Math.floor((turn * held.weight) / weight));
    }
    return ahead;
  }

  /** Those who should have come by now: who comes in time need not wait for others whose time it is not yet. */
  function overdueBefore(index: number, nowMs: number): number {
    let count = 0;
    for (const { comesAtMs } of line.slice(0, index)) if (comesAtMs <= nowMs) count += 1;
    return count;
  }

  function waitMsFor(ahead: number, freePlaceCount: number): number {
    const placeNumber = ahead * showRate + 1 - freePlaceCount;
    const waitMs = freedCount === 0 ? firstWaitMs : (placeNumber * freedMs) / freedCount;
    return Math.min(bounds.mostMs, Math.max(bounds.leastMs, waitMs));
  }

  function join(call: CallInLine, waitMs: number, nowMs: number): void {
    if (waitMs >= bounds.mostMs || line.length >= mostEntryCount) return;
    const dueAtMs = nowMs + waitMs;
    const entry = { call, dueAtMs, ...expected(nowMs, waitMs) };
    line.splice(indexAt(dueAtMs), 0, entry);
    const held = owners.get(call.owner);
    if (held === undefined) owners.set(call.owner, { count: 1, weight: call.weight });
    else {
      held.count += 1;
      held.weight = call.weight;
    }
    const key = keyOf(call.owner, call.content);
    byContent.set(key, [...(byContent.get(key) ?? []), entry]);
  }

  return {
    placeFreed(nowMs) {
      if (waitingSinceMs === null) return;
      freedCount = freedCount * memory + 1;
      freedMs = freedMs * memory + nowMs - waitingSinceMs;
      waitingSinceMs = nowMs;
    },
    settled(waitingGroupCount, nowMs) {
      waitingSinceMs = waitingGroupCount === 0 ? null : (waitingSinceMs ?? nowMs);
    },
    ask(call, freePlaceCount, nowMs) {
      removeExpired(nowMs);
      const [known] = byContent.get(keyOf(call.owner, call.content)) ?? [];
      const index = known === undefined ? null : line.indexOf(known);
      const isDue = known !== undefined && known.dueAtMs <= nowMs + earlyMs;
      const ahead = index === null ? aheadOfNew(call) : isDue ? overdueBefore(index, nowMs) : index;
      if (freePlaceCount > Math.min(ahead, mostKeptCount)) {
        if (index !== null) {
          remove(index);
          countShow(1);
        }
        return null;
      }
      // Before its time it cannot be told from another call that says the same, which needs a place of its own.
      const waitMs = waitMsFor(isDue ? ahead : aheadOfNew(call), freePlaceCount);
      if (isDue) Object.assign(known, expected(nowMs, waitMs));
      else join(call, waitMs, nowMs);
      return waitMs / 1_000;
    },
    integrity() {
      const problems: string[] = [];
      const counts = new Map<string, number>();
      for (const [index, { call, dueAtMs }] of line.entries()) {
        counts.set(call.owner, (counts.get(call.owner) ?? 0) + 1);
        if (dueAtMs < (line[index - 1]?.dueAtMs ?? -Infinity))
          problems.push(`Entry ${index} of the line of retries is due before the one ahead of it.`);
      }
      const isCounted = [...owners].every(([owner, { count }]) => counts.get(owner) === count);
      if (!isCounted || counts.size !== owners.size)
        problems.push("The line of retries holds other owners' calls than it counted.");
      const known = [...byContent.values()].flat();
      if (known.length !== line.length || known.some((entry) => !line.includes(entry)))
        problems.push("The line of retries finds other calls than it holds.");
      return problems;
    },
  };
}

function expected(nowMs: number, waitMs: number) {
  const comesAtMs = nowMs + Math.ceil(waitMs / 1_000) * 1_000;
  return { comesAtMs, expiresAtMs: comesAtMs + graceMs(waitMs) };
}

function keyOf(owner: string, content: string): string {
  return JSON.stringify([owner, content]);
}
