// How often drafted tokens prove right: learned from every draft that was compared with what was chosen.

export interface Acceptance {
  /** How likely a drafted token is right where those before it are, in `[0, 1]`. */
  readonly rate: number;
  /** What was drafted, and what was chosen instead: ids beyond the first wrong one show nothing. */
  learn(draft: readonly number[], chosen: readonly number[]): void;
  /** Nothing was drafted: what is known ages, so that drafting is tried again at times. */
  age(): void;
}

/** The weight of what was seen before when one more draft was tried: the last twenty or so count. */
const memory = 0.95;
/** The same for a step without a draft. */
const patience = 0.99;
/** In tokens tried: what the first guess weighs. */
const priorWeight = 2;

/** `firstGuess`: the rate before anything is known. */
export function createAcceptance(firstGuess: number): Acceptance {
  let rightCount = priorWeight * firstGuess;
  let triedCount = priorWeight;
  return {
    get rate() {
      return rightCount / triedCount;
    },
    learn(draft, chosen) {
      rightCount *= memory;
      triedCount *= memory;
      for (const [index, id] of draft.slice(0, chosen.length).entries()) {
        triedCount += 1;
        if (chosen[index] !== id) return;
        rightCount += 1;
      }
    },
    age() {
      rightCount = patience * rightCount + (1 - patience) * priorWeight * firstGuess;
      triedCount = patience * triedCount + (1 - patience) * priorWeight;
    },
  };
}
