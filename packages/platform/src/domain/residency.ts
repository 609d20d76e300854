// Which models are in memory: what is to be loaded and unloaded now, so that their bytes stay below a cap, nobody waits
// for ever and few loads are needed. Pure: it looks at a snapshot. Knows neither processes nor calls by name.

/** `loading` and `unloading` take the room of a whole model: it is free only once the process is gone. */
export type ResidencyPhase = "unloaded" | "loading" | "resident" | "unloading";

/** A deployment at one moment. Times are milliseconds of one clock. */
export interface Resident {
  readonly id: string;
  readonly phase: ResidencyPhase;
  /** Room that it takes unless it is unloaded. */
  readonly bytes: number;
  /** Calls that it has not answered. */
  readonly inFlightCount: number;
  /** Since when the oldest of those waits who want it loaded; null: nobody does. */
  readonly waitingSince: number | null;
  /** When a call last began or ended, or else when it was loaded. */
  readonly lastUsedAt: number;
  /** How long loading it took, or probably takes. */
  readonly loadMs: number;
  /** Mean time between its last calls; null: there were too few. */
  readonly gapMs: number | null;
  /** Unused for so long it is unloaded although there is room; null: never. */
  readonly idleMs: number | null;
  /** It ended by itself and is to come back where there is room. */
  readonly returns: boolean;
  /** It is not to be loaded earlier. */
  readonly notBefore: number;
}

export interface ResidencyLimits {
  readonly capBytes: number;
  /** Who has waited for so long gets room from models that are in use: those finish their calls and take no new ones. */
  readonly starvationMs: number;
}

export interface ResidencyStep {
  readonly kind: "load" | "unload";
  readonly id: string;
}

export interface ResidencyPlan {
  /** To be carried out in this order; each changes its deployment's phase at once. */
  readonly steps: readonly ResidencyStep[];
  /** When time alone may change the plan; null: never. */
  readonly nextAt: number | null;
}

/** What `residents` take of the memory. */
export function bookedBytes(residents: Iterable<Resident>): number {
  let sum = 0;
  for (const { phase, bytes } of residents) if (phase !== "unloaded") sum += bytes;
  return sum;
}

/**
 * Who waits longest is loaded first. Room is made by unloading models without calls, the cheapest first: a model's worth
 * is the time a load takes for each of its bytes, divided by the time since it was used (after hyperbolic caching,
 * Blankstein et al. 2017, with equal frequencies). Only as many are unloaded as are needed, and none where that would not
 * be enough. Deployments that could never fit are passed over.
 */
export function planResidency(
  residents: readonly Resident[],
  limits: ResidencyLimits,
  now: number,
): ResidencyPlan {
  const steps: ResidencyStep[] = [];
  const times: number[] = [];
  const left = new Set<string>();
  let freeBytes = limits.capBytes - bookedBytes(residents);
  /** What is free once everything that unloads is gone, less what is promised. */
  let comingBytes = freeBytes + bookedBytes(residents.filter(({ phase }) => phase === "unloading"));

  const load = ({ id, bytes }: Resident) => {
    steps.push({ kind: "load", id });
    freeBytes -= bytes;
    comingBytes -= bytes;
  };
  const fitsNow = ({ bytes }: Resident) => bytes <= freeBytes && bytes <= comingBytes;
  const unload = ({ id }: Resident) => {
    steps.push({ kind: "unload", id });
    left.add(id);
  };

  for (const wanted of waitingForRoom(residents, limits.capBytes)) {
    const starvesAt = wanted.waitingSince + limits.starvationMs;
    const starves = starvesAt <= now;
    if (wanted.notBefore > now) {
      times.push(wanted.notBefore);
      continue;
    }
    if (fitsNow(wanted)) {
      load(wanted);
      continue;
    }
    if (wanted.bytes > comingBytes) {
      const others = residents.filter((one) => one.id !== wanted.id && !left.has(one.id));
      const victims = chooseVictims(others, wanted.bytes - comingBytes, starves, now);
      if (victims === null && !starves) {
        // Those behind may use what room there is: whoever starves gets theirs.
        times.push(starvesAt, ...others.filter(isUnused).map(keptUntil));
        continue;
      }
      for (const victim of victims ?? []) {
        unload(victim);
        comingBytes += victim.bytes;
      }
    }
    // Its room is on the way: nobody who came later takes it.
    comingBytes -= wanted.bytes;
  }

  for (const one of residents) {
    if (one.phase === "unloaded" && one.returns && one.waitingSince === null) {
      if (one.notBefore > now) times.push(one.notBefore);
      else if (fitsNow(one)) load(one);
    }
    if (one.idleMs === null || !isUnused(one) || left.has(one.id)) continue;
    if (now - one.lastUsedAt >= one.idleMs) unload(one);
    else times.push(one.lastUsedAt + one.idleMs);
  }
  const later = times.filter((time) => time > now);
  return { steps, nextAt: later.length === 0 ? null : Math.min(...later) };
}

type Waiting = Resident & { readonly waitingSince: number };

/** The longest wait first. */
function waitingForRoom(residents: readonly Resident[], capBytes: number): Waiting[] {
  return residents
    .filter((one): one is Waiting => one.waitingSince !== null)
    .filter(({ phase, bytes }) => phase === "unloaded" && bytes <= capBytes)
    .toSorted((a, b) => a.waitingSince - b.waitingSince || (a.id < b.id ? -1 : 1));
}

/** Nobody is computed by it, and nobody who waited for it is about to be. */
function isUnused({ phase, inFlightCount, waitingSince }: Resident): boolean {
  return phase === "resident" && inFlightCount === 0 && waitingSince === null;
}

/**
 * A model whose calls come faster than it could be loaded again is kept between two of them, for as long as a load takes:
 * else two busy models would take turns at every call.
 */
function keptUntil({ gapMs, loadMs, lastUsedAt }: Resident): number {
  return gapMs !== null && gapMs < loadMs / 2 ? lastUsedAt + loadMs : lastUsedAt;
}

/** The cheapest models that make so much room together; null: they cannot. */
function chooseVictims(
  others: readonly Resident[],
  neededBytes: number,
  starves: boolean,
  now: number,
): readonly Resident[] | null {
  const worth = ({ loadMs, bytes, lastUsedAt }: Resident) =>
    loadMs / Math.max(1, bytes) / Math.max(1, now - lastUsedAt);
  const byWorth = (a: Resident, b: Resident) =>
    worth(a) - worth(b) || a.lastUsedAt - b.lastUsedAt || (a.id < b.id ? -1 : 1);
  const unused = others
    .filter((one) => isUnused(one) && (starves || keptUntil(one) <= now))
    .toSorted(byWorth);
  // Those that are in use come last. Who was just loaded answers those who waited for it first.
  const inUse = others
    .filter(({ phase, inFlightCount, waitingSince }) => {
      return phase === "resident" && inFlightCount > 0 && waitingSince === null;
    })
    .toSorted(byWorth);
  const chosen: Resident[] = [];
  let room = 0;
  for (const one of starves ? [...unused, ...inUse] : unused) {
    if (room >= neededBytes) break;
    chosen.push(one);
    room += one.bytes;
  }
  if (room < neededBytes) return null;
  // A later, larger one may have made earlier ones needless; the dearest is spared first.
  for (const one of chosen.toReversed()) {
    if (room - one.bytes < neededBytes) continue;
    chosen.splice(chosen.indexOf(one), 1);
    room -= one.bytes;
  }
  return chosen;
}
