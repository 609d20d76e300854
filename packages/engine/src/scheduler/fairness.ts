// How much each owner has had, in virtual tokens: who has had least goes first. Pure.
// Source: Sheng et al., "Fairness in serving large language models" (OSDI 2024), virtual token counter.

export interface Fairness {
  /**
   * The owner has one more group; what it did not ask for while away is not owed to it.
   * Its weight, above 0, is that of its newest group: 2 gets twice what 1 gets.
   */
  enter(owner: string, weight: number): void;
  /** The owner has no group any more. */
  leave(owner: string): void;
  /** Counts computed tokens against the owner, by its weight. */
  charge(owner: string, promptTokenCount: number, generatedTokenCount: number): void;
  /** Virtual tokens; the owner with least is served first. */
  serviceOf(owner: string): number;
  /** The share of the engine that is the owner's among those present, in (0, 1]. */
  shareOf(owner: string): number;
}

const promptTokenWeight = 1;
const generatedTokenWeight = 2;
/** Owners whose counters are remembered when they leave; beyond, the one that left first is forgotten. */
const rememberedOwnerCount = 1_000;

interface Account {
  service: number;
  weight: number;
}

export function createFairness(): Fairness {
  const present = new Map<string, Account>();
  const absent = new Map<string, number>();
  return {
    enter(owner, weight) {
      const account = present.get(owner);
      if (account !== undefined) {
        account.weight = weight;
        return;
      }
      const services = [...present.values()].map(({ service }) => service);
      const least = services.length === 0 ? 0 : Math.min(...services);
      present.set(owner, { service: Math.max(least, absent.get(owner) ?? 0), weight });
      absent.delete(owner);
    },
    leave(owner) {
      absent.set(owner, present.get(owner)?.service ?? 0);
      present.delete(owner);
      if (present.size === 0) absent.clear();
      for (const oldest of absent.keys()) {
        if (absent.size <= rememberedOwnerCount) break;
        absent.delete(oldest);
      }
    },
    charge(owner, promptTokenCount, generatedTokenCount) {
      const account = present.get(owner);
      if (account === undefined) return;
      const service = promptTokenWeight * promptTokenCount + generatedTokenWeight * generatedTokenCount;
      account.service += service / account.weight;
    },
    serviceOf: (owner) => present.get(owner)?.service ?? 0,
    shareOf(owner) {
      let total = 0;
      for (const { weight } of present.values()) total += weight;
      return total === 0 ? 1 : (present.get(owner)?.weight ?? 0) / total;
    },
  };
}
