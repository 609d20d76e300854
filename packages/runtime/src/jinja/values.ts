// The values of a template: Python's kinds, kept apart where JavaScript's fall together.

import { TemplateFailure } from "./failure.ts";

/**
 * None is null, an int a number or (beyond 2^53) a bigint, a str a string in UTF-16, a list an array that nobody
 * changes, a dict a Map.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | SafeText
  | Undefined
  | Tuple
  | readonly Value[]
  | Dict
  | DictView
  | Range
  | Generator
  | Instance;

export type Dict = ReadonlyMap<Value, Value>;

/** A float, which prints as one also where it is whole. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A text that is marked as safe HTML: what is added to it is escaped. */
export class SafeText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What a name or a field that is not there stands for. */
export class Undefined {
  readonly #reason: string;
  constructor(reason: string) {
    this.#reason = reason;
  }

  fail(): never {
    throw new TemplateFailure(this.#reason);
  }
}

export class Tuple {
  readonly items: readonly Value[];
  /** Of the items, where they have some. */
  readonly names: readonly string[];
  constructor(items: readonly Value[], names: readonly string[] = []) {
    this.items = items;
    this.names = names;
  }
}

export class DictView {
  readonly kind: "items" | "keys" | "values";
  readonly dict: Dict;
  constructor(kind: DictView["kind"], dict: Dict) {
    this.kind = kind;
    this.dict = dict;
  }

  get items(): Value[] {
    switch (this.kind) {
      case "items":
        return [...this.dict].map((entry) => new Tuple(entry));
      case "keys":
        return [...this.dict.keys()];
      case "values":
        return [...this.dict.values()];
    }
  }
}

export class Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly length: number;
  constructor(start: number, stop: number, step: number) {
    if (step === 0) throw new TemplateFailure("range() with a step of 0");
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
    if (this.length > longestRange) throw new TemplateFailure(`range() of ${this.length} entries`);
  }

  get items(): number[] {
    return Array.from({ length: this.length }, (_, index) => this.start + index * this.step);
  }
}

/** As in Jinja's sandbox. */
const longestRange = 100_000;

/** Values that are made when they are asked for, and given once. */
export class Generator {
  readonly #values: Iterator<Value>;
  constructor(values: Iterable<Value>) {
    this.#values = values[Symbol.iterator]();
  }

  next(): IteratorResult<Value> {
    return this.#values.next();
  }

  *[Symbol.iterator](): IterableIterator<Value> {
    for (let step = this.next(); step.done !== true; step = this.next()) yield step.value;
  }
}

export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export type Call = (args: Arguments) => Value;

export interface InstanceParts {
  /** As Python shows it. */
  readonly shown: string;
  readonly attribute?: (name: string) => Value | undefined;
  readonly call?: Call;
}

/** An object of a class: a function, a macro, the state of a loop, a namespace. */
export class Instance {
  readonly shown: string;
  readonly attribute: (name: string) => Value | undefined;
  readonly call: Call | null;
  constructor({ shown, attribute = () => undefined, call }: InstanceParts) {
    this.shown = shown;
    this.attribute = attribute;
    this.call = call ?? null;
  }
}

/** What `namespace()` makes: the one thing that a template can change. */
export class Namespace extends Instance {
  readonly fields: Map<string, Value>;
  constructor(fields: Map<string, Value>) {
    super({ shown: "<Namespace>", attribute: (name) => this.fields.get(name) });
    this.fields = new Map();
    for (const [name, value] of fields) this.set(name, value);
  }

  set(name: string, value: Value): void {
    if (name.startsWith("_")) throw new TemplateFailure(`A namespace cannot store ${name}.`);
    this.fields.set(name, value);
  }
}

/** A JSON value as a template sees it. A whole number is an int, but a float where it is a `Number` object. */
export function fromJson(value: unknown): Value {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isInteger(value) ? toInt(value) : new Float(value);
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return value.map(fromJson);
      if (value instanceof Number) return new Float(value.valueOf());
      return new Map(
        Object.entries(value)
          .filter(([, entry]) => entry !== undefined)
          .map(([name, entry]) => [name, fromJson(entry)]),
      );
    default:
      throw new TypeError(`${typeof value} is no JSON value.`);
  }
}

/** An int of the smallest kind that holds it. */
export function toInt(value: number | bigint): number | bigint {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value + 0 : BigInt(value);
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

export function isText(value: Value): value is string | SafeText {
  return typeof value === "string" || value instanceof SafeText;
}

/** The characters of a str, safe or not. */
export function textOf(value: string | SafeText): string {
  return typeof value === "string" ? value : value.text;
}

export function isInt(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Includes booleans, which are ints in Python. */
export function isNumeric(value: Value): value is number | bigint | boolean | Float {
  return isInt(value) || typeof value === "boolean" || value instanceof Float;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isDict(value: Value): value is Dict {
  return value instanceof Map;
}

/** Python's name of a value's class, for messages. */
export function kindOf(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (isInt(value)) return "int";
  if (value instanceof Float) return "float";
  if (typeof value === "string") return "str";
  if (value instanceof SafeText) return "Markup";
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Tuple) return "tuple";
  if (isList(value)) return "list";
  if (isDict(value)) return "dict";
  if (value instanceof DictView) return `dict_${value.kind}`;
  if (value instanceof Range) return "range";
  if (value instanceof Generator) return "generator";
  return value.shown;
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "bigint") return value !== 0n;
  if (value instanceof Float) return value.value !== 0;
  if (isText(value)) return textOf(value) !== "";
  if (isList(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (isDict(value)) return value.size > 0;
  if (value instanceof DictView) return value.dict.size > 0;
  if (value instanceof Range) return value.length > 0;
  return true;
}
