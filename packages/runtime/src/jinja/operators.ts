// Python's operators over a template's values.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { compareTexts, repeatText } from "./text.ts";
import {
  DictView,
  Float,
  Generator,
  isDict,
  isInt,
  isList,
  isNumeric,
  isText,
  kindOf,
  Range,
  SafeText,
  textOf,
  toInt,
  Tuple,
  Undefined,
  type Dict,
  type Value,
} from "./values.ts";

/** Python's `==`: numbers and booleans compare as numbers, containers by their content, other kinds never. */
export function areEqual(a: Value, b: Value, budget: Budget): boolean {
  budget.spend(1);
  if (isText(a) && isText(b)) {
    budget.spendCharacters(textOf(a).length);
    return textOf(a) === textOf(b);
  }
  if (isNumeric(a) && isNumeric(b)) return compareNumbers(a, b) === 0;
  if (isList(a) && isList(b)) return areItemsEqual(a, b, budget);
  if (a instanceof Tuple && b instanceof Tuple) return areItemsEqual(a.items, b.items, budget);
  if (isDict(a) && isDict(b)) {
    return (
      a.size === b.size &&
      [...a].every(([key, entry]) => {
        const other = b.get(key);
        return other !== undefined && areEqual(entry, other, budget);
      })
    );
  }
  if (a instanceof Undefined && b instanceof Undefined) return true;
  if (a instanceof Range && b instanceof Range) return areItemsEqual(a.items, b.items, budget);
  return a === b;
}

function areItemsEqual(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  return a.length === b.length && a.every((entry, index) => areEqual(entry, at(b, index), budget));
}

function at(values: readonly Value[], index: number): Value {
  return values[index] ?? null;
}

/** Negative, 0 or positive; NaN where one of them is. */
function compareNumbers(a: number | bigint | boolean | Float, b: number | bigint | boolean | Float): number {
  const [x, y] = [a instanceof Float ? a.value : a, b instanceof Float ? b.value : b];
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Python's order: negative, 0 or positive. Fails where Python knows none. */
export function compare(a: Value, b: Value, budget: Budget): number {
  budget.spend(1);
  if (isNumeric(a) && isNumeric(b)) return compareNumbers(a, b);
  if (isText(a) && isText(b)) {
    budget.spendCharacters(Math.min(textOf(a).length, textOf(b).length));
    return compareTexts(textOf(a), textOf(b));
  }
  const [x, y] = [isList(a) ? a : null, isList(b) ? b : null];
  if (x !== null && y !== null) return compareItems(x, y, budget);
  if (a instanceof Tuple && b instanceof Tuple) return compareItems(a.items, b.items, budget);
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  throw new TemplateFailure(`'<' not supported between instances of '${kindOf(a)}' and '${kindOf(b)}'`);
}

function compareItems(a: readonly Value[], b: readonly Value[], budget: Budget): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    if (!areEqual(at(a, index), at(b, index), budget)) return compare(at(a, index), at(b, index), budget);
  }
  return a.length - b.length;
}

/** Python's `in`. */
export function contains(container: Value, value: Value, budget: Budget): boolean {
  if (isText(container)) {
    if (!isText(value)) {
      if (value instanceof Undefined) return value.fail();
      throw new TemplateFailure(`'in <string>' requires string as left operand, not ${kindOf(value)}`);
    }
    budget.spendCharacters(textOf(container).length);
    return textOf(container).includes(textOf(value));
  }
  if (isDict(container)) return container.has(keyOf(value));
  if (container instanceof DictView && container.kind === "keys") return container.dict.has(keyOf(value));
  for (const entry of iterate(container, budget)) if (areEqual(entry, value, budget)) return true;
  return false;
}

/** A value as the key of a dict: equal values are one key. */
export function keyOf(value: Value): Value {
  if (typeof value === "boolean") return Number(value);
  if (value instanceof Float) return Number.isInteger(value.value) ? toInt(value.value) : value;
  if (value instanceof SafeText) return value.text;
  if (isList(value) || isDict(value)) throw new TemplateFailure(`unhashable type: '${kindOf(value)}'`);
  return value;
}

/** What a `for` goes over. Fails where Python cannot iterate. */
export function iterate(value: Value, budget: Budget): Iterable<Value> {
  const items = itemsOf(value, budget);
  if (items !== null) return items;
  throw new TemplateFailure(`'${kindOf(value)}' object is not iterable`);
}

/** Null where the value is none that can be iterated over. */
export function itemsOf(value: Value, budget: Budget): Iterable<Value> | null {
  if (isList(value)) return counted(value, budget);
  if (value instanceof Tuple || value instanceof DictView || value instanceof Range)
    return counted(value.items, budget);
  if (isDict(value)) return counted([...value.keys()], budget);
  if (isText(value)) return counted(Array.from(textOf(value)), budget);
  if (value instanceof Generator) return value;
  return value instanceof Undefined ? [] : null;
}

function counted(items: readonly Value[], budget: Budget): readonly Value[] {
  budget.spend(items.length / 8);
  return items;
}

export type BinaryOperator = "+" | "-" | "*" | "/" | "//" | "%" | "**";

export function combine(operator: BinaryOperator, a: Value, b: Value, budget: Budget): Value {
  budget.spend(1);
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  if (isNumeric(a) && isNumeric(b)) return combineNumbers(operator, a, b, budget);
  const joined = operator === "+" ? join(a, b, budget) : operator === "*" ? repeat(a, b, budget) : null;
  if (joined !== null) return joined;
  const kinds = `'${kindOf(a)}' and '${kindOf(b)}'`;
  throw new TemplateFailure(`unsupported operand type(s) for ${operator}: ${kinds}`);
}

function join(a: Value, b: Value, budget: Budget): Value | null {
  if (isText(a) && isText(b)) {
    budget.spendCharacters(textOf(a).length + textOf(b).length);
    if (typeof a === "string" && typeof b === "string") return a + b;
    return new SafeText(escapeHtml(a) + escapeHtml(b));
  }
  if (isList(a) && isList(b)) return spent([...a, ...b], budget);
  if (a instanceof Tuple && b instanceof Tuple) return new Tuple(spent([...a.items, ...b.items], budget));
  return null;
}

function spent(items: readonly Value[], budget: Budget): readonly Value[] {
  budget.spend(items.length);
  return items;
}

function repeat(a: Value, b: Value, budget: Budget): Value | null {
  const [sequence, times] = isInt(b) || typeof b === "boolean" ? [a, Number(b)] : [b, Number(a)];
  if (!isInt(b) && typeof b !== "boolean" && !isInt(a) && typeof a !== "boolean") return null;
  const count = Math.max(0, times);
  if (isText(sequence)) {
    const text = repeatText(textOf(sequence), count, budget);
    return typeof sequence === "string" ? text : new SafeText(text);
  }
  const items = isList(sequence) ? sequence : sequence instanceof Tuple ? sequence.items : null;
  if (items === null) return null;
  budget.spend(items.length * count);
  const all = Array.from({ length: count }, () => items).flat();
  return isList(sequence) ? all : new Tuple(all);
}

/** `markupsafe.escape`: a text that is safe stays as it is. */
export function escapeHtml(value: string | SafeText): string {
  if (value instanceof SafeText) return value.text;
  return value.replace(/[&<>'"]/g, (character) => htmlEscapes[character] ?? character);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&#39;",
  '"': "&#34;",
};

type Number_ = number | bigint | boolean | Float;

function combineNumbers(operator: BinaryOperator, a: Number_, b: Number_, budget: Budget): Value {
  if (a instanceof Float || b instanceof Float || operator === "/") {
    return combineFloats(operator, floatOf(a), floatOf(b));
  }
  if (operator === "**" && Number(b) < 0) return combineFloats("**", Number(a), Number(b));
  return toInt(combineInts(operator, BigInt(a), BigInt(b), budget));
}

function floatOf(value: Number_): number {
  return value instanceof Float ? value.value : Number(value);
}

function combineFloats(operator: BinaryOperator, a: number, b: number): Value {
  switch (operator) {
    case "+":
      return new Float(a + b);
    case "-":
      return new Float(a - b);
    case "*":
      return new Float(a * b);
    case "**":
      return new Float(a ** b);
    case "/":
      refuseZero(b);
      return new Float(a / b);
    case "//":
      refuseZero(b);
      return new Float(Math.floor(a / b));
    case "%": {
      refuseZero(b);
      const rest = a % b;
      return new Float(rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest);
    }
  }
}

function combineInts(operator: Exclude<BinaryOperator, "/">, a: bigint, b: bigint, budget: Budget): bigint {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      budget.spendCharacters(bitCount(a) + bitCount(b));
      return a * b;
    case "**":
      // The number of digits is known beforehand, and the work grows with its square.
      budget.spend((bitCount(a) * Number(b)) ** 2 / 1e6);
      return a ** b;
    case "//":
    case "%": {
      refuseZero(b);
      const rest = a % b;
      const isRounded = rest !== 0n && rest < 0n !== b < 0n;
      if (operator === "%") return isRounded ? rest + b : rest;
      return isRounded ? a / b - 1n : a / b;
    }
  }
}

function bitCount(value: bigint): number {
  return value > -0x20000000000000n && value < 0x20000000000000n ? 53 : value.toString(16).length * 4;
}

function refuseZero(value: number | bigint): void {
  if (Number(value) === 0) throw new TemplateFailure("division by zero");
}

export function negate(value: Value, sign: "-" | "+"): Value {
  if (value instanceof Undefined) value.fail();
  if (!isNumeric(value)) throw new TemplateFailure(`bad operand type for unary ${sign}: '${kindOf(value)}'`);
  if (value instanceof Float) return sign === "-" ? new Float(-value.value) : value;
  return toInt(sign === "-" ? -BigInt(value) : BigInt(value));
}

/** A dict of entries whose keys may be equal: the last value counts, at the first one's place. */
export function dictOf(entries: Iterable<readonly [Value, Value]>): Dict {
  const dict = new Map<Value, Value>();
  for (const [key, value] of entries) dict.set(keyOf(key), value);
  return dict;
}
