// What may go: of things that refer to each other, those that nothing in use leads to. Knows no table and no file.

import type { GarbageKind } from "@corral/contract";

export interface Thing {
  readonly kind: GarbageKind;
  /** One of its kind. */
  readonly id: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly lastUsedMs: number;
  /** Names, as `nameOf` makes them; what is not there is passed over. */
  readonly refersTo: readonly string[];
  /** It is in use whatever refers to it: such a thing never goes. */
  readonly isRoot?: boolean;
}

export interface PlannedThing extends Thing {
  /** A sentence's part: why it may go. */
  readonly reason: string;
}

export interface GarbageRules {
  /** Things of other kinds stay. */
  readonly kinds: ReadonlySet<GarbageKind>;
  /** What was used at this moment or later stays. */
  readonly usedSinceMs: number;
}

export function nameOf({ kind, id }: Pick<Thing, "kind" | "id">): string {
  return `${kind}:${id}`;
}

/**
 * What may go, each before what it refers to, so that at no moment something leads to what is gone. Whatever stays keeps all
 * that it refers to, and so on.
 */
export function planGarbage(things: readonly Thing[], { kinds, usedSinceMs }: GarbageRules): PlannedThing[] {
  const byName = new Map(things.map((thing) => [nameOf(thing), thing]));
  const kept = new Set<string>();
  const open = things
    .filter(
      ({ isRoot, kind, lastUsedMs }) => isRoot === true || !kinds.has(kind) || lastUsedMs >= usedSinceMs,
    )
    .map(nameOf);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (kept.has(name)) continue;
    kept.add(name);
    open.push(...(byName.get(name)?.refersTo ?? []));
  }
  const garbage = new Map([...byName].filter(([name]) => !kept.has(name)));
  const referrers = referrersOf(garbage);
  return inOrder(garbage).map((name) => {
    const thing = garbage.get(name);
    if (thing === undefined) throw new TypeError(`${name} is not in the plan it came from.`);
    return { ...thing, reason: reasonOf(referrers.get(name) ?? []) };
  });
}

/** By the name of each: names of those that refer to it, itself left out. */
function referrersOf(garbage: ReadonlyMap<string, Thing>): ReadonlyMap<string, readonly string[]> {
  const referrers = new Map<string, string[]>();
  for (const [name, { refersTo }] of garbage) {
    for (const target of new Set(refersTo)) {
      if (target === name || !garbage.has(target)) continue;
      const known = referrers.get(target);
      if (known === undefined) referrers.set(target, [name]);
      else known.push(name);
    }
  }
  return referrers;
}

/** Those that refer first: the order in which a search in depth leaves things, from its end. Of a ring, any is first. */
function inOrder(garbage: ReadonlyMap<string, Thing>): string[] {
  const seen = new Set<string>();
  const left: string[] = [];
  const visit = (name: string): void => {
    const thing = garbage.get(name);
    if (thing === undefined || seen.has(name)) return;
    seen.add(name);
    thing.refersTo.forEach(visit);
    left.push(name);
  };
  for (const name of garbage.keys()) visit(name);
  return left.toReversed();
}

const mostNamed = 3;

function reasonOf(referrers: readonly string[]): string {
  if (referrers.length === 0) return "nothing refers to it";
  const named = referrers.slice(0, mostNamed).join(", ");
  const more = referrers.length > mostNamed ? ` and ${referrers.length - mostNamed} more` : "";
  return `only what goes as well refers to it: ${named}${more}`;
}
