// The variables of a template, by where they were set: a body of a loop or macro does not change those around it.

import { Undefined, type Value } from "./values.ts";

export class Scope {
  readonly #variables = new Map<string, Value>();
  readonly #parent: Scope | null;

  constructor(parent: Scope | null) {
    this.#parent = parent;
  }

  set(name: string, value: Value): void {
    this.#variables.set(name, value);
  }

  get(name: string): Value {
    const value = this.#variables.get(name);
    if (value !== undefined) return value;
    return this.#parent === null ? new Undefined(`'${name}' is undefined`) : this.#parent.get(name);
  }
}
