// Python's format specification: `>8`, `.2f`, `05d`, `,`. Source: CPython 3.11, Doc/library/string, formatspec.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { toFixed } from "./rounding.ts";
import { floatText, toText } from "./show.ts";
import { pad } from "./text-searches.ts";
import { Float, isInt, isText, kindOf, textOf, type Value } from "./values.ts";

const specification = /^(?:([^])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

/** `format(value, spec)`. */
export function formatValue(value: Value, spec: string, budget: Budget): string {
  if (spec === "") return toText(value, budget);
  const parts = specification.exec(spec);
  if (parts === null) throw new TemplateFailure("Invalid format specifier");
  const [, fillGiven, align, sign = "-", alternative, zero, widthText, grouping, precisionText, kind = ""] =
    parts;
  const width = Number(widthText ?? 0);
  const precision = precisionText === undefined ? null : Number(precisionText);
  if (isText(value)) {
    if (kind !== "" && kind !== "s") throw new TemplateFailure(`Unknown format code '${kind}' for str`);
    const text = precision === null ? textOf(value) : Array.from(textOf(value)).slice(0, precision).join("");
    return aligned(text, "", width, fillGiven ?? (zero === undefined ? " " : "0"), align ?? "<", budget);
  }
  const number = numberOf(value);
  if (number === null) throw new TemplateFailure(`unsupported format string for ${kindOf(value)}`);
  const digits = numberDigits(number, kind, precision, alternative !== undefined);
  const isNegative = digits.startsWith("-");
  const signShown = isNegative ? "-" : sign === "-" ? "" : sign;
  const bare = group(isNegative ? digits.slice(1) : digits, grouping);
  const fill = fillGiven ?? (zero === undefined ? " " : "0");
  return aligned(bare, signShown, width, fill, align ?? (zero === undefined ? ">" : "="), budget);
}

function numberOf(value: Value): number | bigint | Float | null {
  if (typeof value === "boolean") return Number(value);
  return isInt(value) || value instanceof Float ? value : null;
}

function aligned(
  text: string,
  sign: string,
  width: number,
  fill: string,
  align: string,
  budget: Budget,
): string {
  if (align === "=") return sign + pad(text, width - sign.length, fill, "left", budget);
  if (align === "^") {
    const missing = Math.max(0, width - Array.from(sign + text).length);
    const left = Math.floor(missing / 2);
    const padded = pad(sign + text, width - (missing - left), fill, "left", budget);
    return pad(padded, width, fill, "right", budget);
  }
  return pad(sign + text, width, fill, align === "<" ? "right" : "left", budget);
}

function group(digits: string, mark: string | undefined): string {
  if (mark === undefined) return digits;
  const [, whole = "", rest = ""] = /^(\d*)([^]*)$/.exec(digits) ?? [];
  return whole.replace(/\B(?=(\d{3})+$)/g, mark) + rest;
}

function numberDigits(
  value: number | bigint | Float,
  kind: string,
  precision: number | null,
  alternative: boolean,
): string {
  const asNumber = value instanceof Float ? value.value : Number(value);
  if (kind === "%") return `${formatFloat(asNumber * 100, "f", precision ?? 6, false)}%`;
  if (kind !== "" && "eEfFgG".includes(kind)) return formatFloat(asNumber, kind, precision ?? 6, alternative);
  if (value instanceof Float) {
    if (kind !== "" && kind !== "n") throw new TemplateFailure(`Unknown format code '${kind}' for float`);
    if (precision === null) return floatText(asNumber);
    const shown = formatFloat(asNumber, "g", precision, false);
    return /[.einf]/.test(shown) ? shown : `${shown}.0`;
  }
  if (precision !== null) throw new TemplateFailure("Precision not allowed in integer format specifier");
  if (kind === "c" && asNumber >= 0 && asNumber <= 0x10ffff) return String.fromCodePoint(asNumber);
  const base = { "": 10, d: 10, n: 10, x: 16, X: 16, o: 8, b: 2 }[kind];
  if (base === undefined) throw new TemplateFailure(`Unknown format code '${kind}' for int`);
  const digits = (value < 0 ? -BigInt(value) : BigInt(value)).toString(base);
  const prefix = alternative && base !== 10 ? `0${kind}` : "";
  const shown = kind === "X" ? prefix + digits.toUpperCase() : prefix + digits;
  return value < 0 ? `-${shown}` : shown;
}

/** The kinds e, f and g, and their capitals. */
export function formatFloat(value: number, kind: string, precision: number, alternative: boolean): string {
  const shown = lowerFloat(value, kind.toLowerCase(), precision, alternative);
  return kind === kind.toUpperCase() ? shown.toUpperCase() : shown;
}

function lowerFloat(value: number, kind: string, precision: number, alternative: boolean): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (precision > 100) throw new TemplateFailure("A precision above 100 is not supported.");
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const size = Math.abs(value);
  if (kind === "f") return sign + toFixed(size, precision);
  if (kind === "e") return sign + pythonExponent(size.toExponential(precision));
  const significant = Math.max(1, precision);
  const exponent = size === 0 ? 0 : Number(size.toExponential(significant - 1).split("e")[1]);
  const isScientific = exponent < -4 || exponent >= significant;
  const shown = isScientific
    ? size.toExponential(significant - 1)
    : toFixed(size, Math.max(0, significant - 1 - exponent));
  const [digits = "", power] = shown.split("e");
  const trimmed = alternative || !digits.includes(".") ? digits : digits.replace(/\.?0+$/, "");
  return sign + (power === undefined ? trimmed : pythonExponent(`${trimmed}e${power}`));
}

function pythonExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}
