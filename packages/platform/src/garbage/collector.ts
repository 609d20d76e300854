// Collects garbage, or says what it would collect: surveys all that there is, plans, and takes away what is planned, each thing
// looked at once more by those who handle its kind.

import {
  ServingError,
  defaultGarbageKinds,
  garbageKinds,
  mostGarbageItems,
  type CollectGarbage,
  type GarbageItem,
  type GarbageKind,
  type GarbageReport,
} from "@corral/contract";
import type { Logger } from "pino";
import { planGarbage, type PlannedThing, type Thing } from "../domain/garbage.ts";
import type { References } from "./references.ts";
import type { GarbageSource } from "./source.ts";

export interface CollectorOptions {
  readonly sources: Readonly<Record<Exclude<GarbageKind, "runs">, GarbageSource>>;
  readonly readReferences: () => Promise<References>;
  /** Runs over the time that they are kept. */
  readonly runs: {
    readonly measure: () => Promise<{ readonly count: number; readonly bytes: number }>;
    /** Answers how many went. */
    readonly remove: () => Promise<number>;
  };
  /** Whether the files of this home are those of this database; else none of them goes. */
  readonly filesAreOurs: boolean;
  readonly now: () => Date;
  readonly log: Logger;
}

export interface Collector {
  /** Fails with `conflict` while another collection is going on in this process. */
  collect(wanted: CollectGarbage): Promise<GarbageReport>;
}

export function createCollector(options: CollectorOptions): Collector {
  let isBusy = false;
  return {
    async collect(wanted) {
      if (isBusy)
        throw new ServingError(
          "conflict",
          "Garbage is being collected already; ask again when that is done.",
          {
            retryAfterSeconds: 5,
          },
        );
      isBusy = true;
      try {
        return await collectOnce(options, wanted);
      } finally {
        isBusy = false;
      }
    },
  };
}

const rowKinds: readonly GarbageKind[] = ["runs", "deployments", "versions"];

async function collectOnce(options: CollectorOptions, wanted: CollectGarbage): Promise<GarbageReport> {
  const { sources, filesAreOurs, now, log } = options;
  const asked = wanted.kinds ?? defaultGarbageKinds;
  const kinds = garbageKinds.filter(
    (kind) => asked.includes(kind) && (filesAreOurs || rowKinds.includes(kind)),
  );
  const usedSinceMs = now().getTime() - wanted.older_than_seconds * 1_000;
  // Before anything goes: a collection that removes nothing plans the same.
  const runs = kinds.includes("runs") ? await options.runs.measure() : { count: 0, bytes: 0 };
  const plan = planGarbage(await survey(options, kinds), { kinds: new Set(kinds), usedSinceMs });
  const gone: PlannedThing[] = [];
  let keptCount = 0;
  let runCount = runs.count;
  if (wanted.dry_run) gone.push(...plan);
  else {
    if (kinds.includes("runs")) runCount = await options.runs.remove();
    for (const thing of plan) {
      if (thing.kind === "runs") continue;
      const isGone = await sources[thing.kind].remove(thing, usedSinceMs).catch((error: unknown) => {
        log.warn({ kind: thing.kind, id: thing.id, err: String(error) }, "garbage stays");
        return false;
      });
      if (isGone) gone.push(thing);
      else keptCount += 1;
    }
    const bytes = gone.reduce((sum, thing) => sum + thing.bytes, 0);
    log.info({ count: gone.length, runs: runCount, bytes, kept: keptCount }, "garbage was collected");
  }
  return {
    dry_run: wanted.dry_run,
    kinds: kinds.map((kind) => ({
      kind,
      ...(kind === "runs" ? { count: runCount, bytes: runs.bytes } : sumOf(gone, kind)),
    })),
    items: gone.slice(0, mostGarbageItems).map(toItem),
    items_left_out: Math.max(0, gone.length - mostGarbageItems),
    kept: keptCount,
    warnings: filesAreOurs
      ? []
      : [
          "CORRAL_HOME was used with another database before: no file in it is collected, as that one may need it.",
        ],
  };
}

async function survey(
  { sources, readReferences }: CollectorOptions,
  kinds: readonly GarbageKind[],
): Promise<Thing[]> {
  const references = await readReferences();
  const others = new Set(references.others);
  const things: Thing[] = [];
  for (const [kind, source] of Object.entries(sources)) {
    // It refers to nothing else, and is large.
    if (kind === "hub" && !kinds.includes(kind)) continue;
    for (const thing of await source.survey(references))
      things.push(others.has(`${thing.kind}:${thing.id}`) ? { ...thing, isRoot: true } : thing);
  }
  return things;
}

function sumOf(things: readonly Thing[], kind: GarbageKind): { count: number; bytes: number } {
  const own = things.filter((thing) => thing.kind === kind);
  return { count: own.length, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function toItem({ kind, id, bytes, lastUsedMs, reason }: PlannedThing): GarbageItem {
  return { kind, id, bytes, last_used_at: new Date(Math.floor(lastUsedMs)).toISOString(), reason };
}
