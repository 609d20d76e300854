// Takes fields out of a JSON body one by one and collects everything that is wrong with them, so that a caller sees
// all mistakes at once. Knows no dialect.

import { nearestName, type ErrorCode, type FieldError } from "@corral/contract";
import { pointerTo, show, type ErrorNotes } from "./body-values.ts";

export { isObject, mostErrors, pointerTo, show } from "./body-values.ts";

export type Body = Readonly<Record<string, unknown>>;

export class BodyReader implements ErrorNotes {
  readonly errors: FieldError[] = [];
  readonly warnings: string[] = [];
  readonly #left: Map<string, unknown>;

  constructor(body: Body) {
    this.#left = new Map(Object.entries(body));
  }

  /** Removes a field; undefined where it was not sent. */
  take(name: string): unknown {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  /** An integer in `[least, most]`; null is as good as absent. */
  takeInteger(name: string, least: number, most: number): number | null {
    const value = this.take(name) ?? null;
    if (value === null) return null;
    if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    const message = `${name} is ${show(value)}; it must be an integer from ${least} to ${most}.`;
    this.refuse(pointerTo(name), "invalid_parameter", message);
    return null;
  }

  /** One of the given words; null is as good as absent. */
  takeWord<Word extends string>(name: string, words: readonly Word[]): Word | null {
    const value = this.take(name) ?? null;
    const word = words.find((candidate) => candidate === value);
    if (value === null || word !== undefined) return word ?? null;
    const message = `${name} is ${show(value)}; it must be ${listNames(words, "or")}.`;
    this.refuse(pointerTo(name), "invalid_parameter", message);
    return null;
  }

  /** Refuses everything that nobody took, with the name of `known` that may have been meant. */
  refuseRest(known: readonly string[]): void {
    for (const name of this.#left.keys()) {
      const nearest = nearestName(name, known);
      const hint = nearest === null ? `It takes ${listNames(known, "and")}.` : `Did you mean ${nearest}?`;
      this.refuse(pointerTo(name), "unknown_parameter", `${show(name)} is not known to this call. ${hint}`);
    }
  }

  /** Everything that nobody took. */
  rest(): Record<string, unknown> {
    return Object.fromEntries(this.#left);
  }

  refuse(pointer: string, code: ErrorCode, message: string): void {
    this.errors.push({ pointer, code, message });
  }

  /** A boolean; null is as good as absent. */
  takeBoolean(name: string): boolean | null {
    const value = this.take(name) ?? null;
    if (value === null || typeof value === "boolean") return value;
    this.refuse(pointerTo(name), "invalid_parameter", `${name} is ${show(value)}; it must be true or false.`);
    return null;
  }
}

export function listNames(names: readonly string[], word: "and" | "or"): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}`;
}
