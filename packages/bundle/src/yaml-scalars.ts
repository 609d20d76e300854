// Which plain words of YAML are numbers and truth values: exactly those that PyYAML takes for such, because Truss
// reads config.yaml with it. `1e3` and `y` are text there, `1:30` is 90.
// Source: PyYAML 6.0, resolver.py and constructor.py; compared with it in yaml-scalars.oracle.test.ts.

import type { ScalarTag, Tags } from "yaml";

const bool = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const int =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const float =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** Characters. Reading a number takes the square of its length. */
const longestScalar = 400;

/** Values JSON cannot carry: they stay the text that was written. */
const leftAsText = ["timestamp", "binary", "omap", "pairs", "set"];
const replaced = ["bool", "int", "float"];

const own: ScalarTag[] = [
  ...scalar("bool", bool, truthOf),
  ...scalar("int", int, (text) => Number(intOf(text))),
  ...scalar("float", float, floatOf),
];

/** For the `customTags` option of `yaml`. */
export function pyYamlTags(tags: Tags): Tags {
  const kept = tags.filter((tag) => {
    const name = typeof tag === "string" ? tag : tag.tag.replace("tag:yaml.org,2002:", "");
    return !leftAsText.includes(name) && !replaced.some((word) => name.startsWith(word));
  });
  return [...own, ...kept];
}

/** The number that is written `source`, as Python's `str` gives it: `2.0` stays `2.0`. */
export function pythonNumberText(source: string): string {
  if (int.test(source)) return String(intOf(source));
  return pythonFloatText(floatOf(source));
}

/** Of plain words that look like it, and of what is written behind the tag (`!!float 3`). */
function scalar(name: string, test: RegExp, resolve: (text: string) => number | boolean): ScalarTag[] {
  const tag = `tag:yaml.org,2002:${name}`;
  const bounded: ScalarTag["resolve"] = (text, onError) => {
    if (text.length <= longestScalar) return resolve(text);
    onError(`A number of ${text.length} characters is not read; write it as text, in quotes`);
    return text;
  };
  return [
    { tag, default: true, test, resolve: bounded },
    { tag, resolve: bounded },
  ];
}

function truthOf(text: string): boolean {
  if (!bool.test(text)) throw new TypeError(`${text} is neither true nor false`);
  return ["yes", "true", "on"].includes(text.toLowerCase());
}

function intOf(source: string): bigint {
  const text = source.replaceAll("_", "");
  const sign = text.startsWith("-") ? -1n : 1n;
  const digits = text.replace(/^[-+]/, "");
  if (digits.includes(":")) {
    return sign * digits.split(":").reduce((sum, part) => sum * 60n + BigInt(part), 0n);
  }
  if (/^0[bx]/.test(digits)) return sign * BigInt(digits === "0b" || digits === "0x" ? 0 : digits);
  if (/^0[0-7]/.test(digits)) return sign * BigInt(`0o${digits.slice(1)}`);
  return sign * BigInt(digits);
}

function floatOf(source: string): number {
  const text = source.replaceAll("_", "").toLowerCase();
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = text.replace(/^[-+]/, "");
  if (digits === ".inf") return sign * Number.POSITIVE_INFINITY;
  if (digits === ".nan") return Number.NaN;
  if (!digits.includes(":")) return sign * Number(digits);
  return sign * digits.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** Python writes an exponent from 1e16 on and below 1e-4, of two digits at least, and `.0` behind a whole number. */
function pythonFloatText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) {
    const plain = String(value);
    return plain.includes(".") ? plain : `${plain}.0`;
  }
  return value.toExponential().replace(/e(?<sign>[-+])(?<digit>\d)$/, "e$<sign>0$<digit>");
}
