// What a body of a loop sees as `loop`. Source: Jinja 3.1.6, runtime.py, LoopContext.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { areEqual } from "./operators.ts";
import { bind } from "./parameters.ts";
import { Instance, Tuple, Undefined, type Arguments, type Value } from "./values.ts";

export class LoopState {
  readonly value: Instance;
  readonly #items: readonly Value[];
  readonly #depth: number;
  readonly #budget: Budget;
  #index = -1;
  #lastChanged: Tuple | null = null;

  /** `recurse` writes the loop over other items; null where the loop is not marked for it. */
  constructor(
    items: readonly Value[],
    depth: number,
    recurse: ((items: Value) => string) | null,
    budget: Budget,
  ) {
    this.#items = items;
    this.#depth = depth;
    this.#budget = budget;
    this.value = new Instance({
      shown: "<LoopContext>",
      attribute: (name) => this.#attribute(name),
      call: (args) => {
        if (recurse === null)
          throw new TemplateFailure("The loop must have the 'recursive' marker to be called recursively.");
        const [inner = null] = bind("loop", ["iterable"], args, 1);
        return recurse(inner);
      },
    });
  }

  advance(): void {
    this.#index += 1;
  }

  #attribute(name: string): Value | undefined {
    const { length } = this.#items;
    switch (name) {
      case "index":
        return this.#index + 1;
      case "index0":
        return this.#index;
      case "revindex":
        return length - this.#index;
      case "revindex0":
        return length - this.#index - 1;
      case "first":
        return this.#index === 0;
      case "last":
        return this.#index === length - 1;
      case "length":
        return length;
      case "depth":
        return this.#depth + 1;
      case "depth0":
        return this.#depth;
      case "previtem":
        return this.#neighbour(this.#index - 1, "there is no previous item");
      case "nextitem":
        return this.#neighbour(this.#index + 1, "there is no next item");
      case "cycle":
        return new Instance({ shown: "<bound method cycle>", call: (args) => this.#cycle(args) });
      case "changed":
        return new Instance({ shown: "<bound method changed>", call: (args) => this.#changed(args) });
      default:
        return undefined;
    }
  }

  #neighbour(index: number, reason: string): Value {
    const item = index < 0 ? undefined : this.#items[index];
    return item === undefined ? new Undefined(reason) : item;
  }

  #cycle({ positional }: Arguments): Value {
    const item = positional[this.#index % positional.length];
    if (item === undefined) throw new TemplateFailure("no items for cycling given");
    return item;
  }

  #changed({ positional }: Arguments): boolean {
    const values = new Tuple(positional);
    if (this.#lastChanged !== null && areEqual(this.#lastChanged, values, this.#budget)) return false;
    this.#lastChanged = values;
    return true;
  }
}
