// How much work a template may do. Counted, not timed: the same template and messages always end at the same step.

import { TemplateTooCostly } from "./failure.ts";

/** So many characters of a text are looked at or made in the time of one step. */
const charactersPerStep = 32;

export class Budget {
  readonly stepLimit: number;
  #stepsLeft: number;

  constructor(stepLimit: number) {
    this.stepLimit = stepLimit;
    this.#stepsLeft = stepLimit;
  }

  get spentSteps(): number {
    return this.stepLimit - this.#stepsLeft;
  }

  /** To be asked before the work is done. Fails with `TemplateTooCostly`. */
  spend(steps: number): void {
    this.#stepsLeft -= steps;
    // Not a number is too much as well.
    if (!(this.#stepsLeft >= 0)) throw new TemplateTooCostly();
  }

  spendCharacters(count: number): void {
    this.spend(count / charactersPerStep);
  }
}
