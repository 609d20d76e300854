// YAML text → a plain JSON value and, for any JSON pointer, the line it stands on. Knows nothing of what the
// keys mean. Bounded: what is nested too deep, too much or repeated by aliases is refused before anything walks it.

import { isScalar, LineCounter, parseDocument, visit, type Document } from "yaml";
import { duplicateKeys, isBounded, measure, mostNodes } from "./yaml-bounds.ts";
import { findNode } from "./yaml-find.ts";
import { pyYamlTags } from "./yaml-scalars.ts";

export interface YamlProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface YamlSource {
  readonly value: unknown;
  /** Line (from 1) of the key that a pointer names, or of its nearest ancestor; null for an empty document. */
  lineOf(path: readonly PropertyKey[]): number | null;
  /** The number at a path as it is written (`2.0`, `0x10`); null where no number is written there. */
  numberSource(path: readonly PropertyKey[]): string | null;
}

export type YamlOutcome =
  | { readonly kind: "parsed"; readonly source: YamlSource }
  | { readonly kind: "refused"; readonly problems: readonly YamlProblem[] };

/** Nested collections deeper than this are refused before anything walks them. */
const maxDepth = 64;
const tooDeep = `nested deeper than ${maxDepth} levels; make it flatter`;
/** Of one anchor. */
const maxAliases = 100;

/** Reads YAML 1.1, as Truss does (PyYAML): `yes` is true there. Duplicate keys are an error. */
export function readYaml(text: string): YamlOutcome {
  try {
    return readBounded(text);
  } catch (error) {
    // The parser calls itself for each level.
    if (!(error instanceof RangeError)) throw error;
    return { kind: "refused", problems: [{ line: lineOfDepth(text), message: tooDeep }] };
  }
}

function readBounded(text: string): YamlOutcome {
  const lines = new LineCounter();
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const refused = (offset: number, message: string): YamlOutcome => ({
    kind: "refused",
    problems: [{ line: lineAt(offset), message }],
  });
  const document = parseDocument(text, {
    version: "1.1",
    // Looked for below: the parser compares each key with all others of its map.
    uniqueKeys: false,
    lineCounter: lines,
    prettyErrors: false,
    customTags: pyYamlTags,
  });
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.some(({ message }) => message.includes("Maximum call stack"))) throw new RangeError(tooDeep);
  const problems = wrong.map((problem) => ({
    line: lineAt(problem.pos[0]),
    message: firstLine(problem.message),
  }));
  if (problems.length > 0) return { kind: "refused", problems };

  const { deep, excess, aliases } = measure(document.contents, maxDepth);
  if (deep !== null) return refused(deep, tooDeep);
  if (excess !== null)
    return refused(excess, `over ${mostNodes} keys and values; keep data in files of their own`);
  keepKeys(document);
  const twice = duplicateKeys(document.contents);
  if (twice.length > 0) {
    const message = "a key stands here a second time";
    return { kind: "refused", problems: twice.map((offset) => ({ line: lineAt(offset), message })) };
  }
  // Each alias is looked up in the whole document.
  const value = aliases.length > 10 * maxAliases ? tooManyAliases : valueOf(document);
  if (value === tooManyAliases || !isBounded(value, maxDepth)) {
    const at = aliases[maxAliases] ?? aliases[0] ?? 0;
    return refused(at, "aliases stand for too much here; write the values out, or fewer of them");
  }
  return {
    kind: "parsed",
    source: {
      value,
      lineOf(path) {
        const { offset } = findNode(document, path);
        return offset === null ? null : lineAt(offset);
      },
      numberSource(path) {
        const { node, isWhole } = findNode(document, path);
        const isNumber = isWhole && isScalar(node) && typeof node.value === "number";
        return isNumber ? (node.source ?? null) : null;
      },
    },
  };
}

const tooManyAliases = Symbol("too many aliases");

function valueOf(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases }) as unknown;
  } catch (error) {
    if (error instanceof ReferenceError) return tooManyAliases;
    throw error;
  }
}

/** A key is the text that is written: a variable named `ON` is not named `true`. */
function keepKeys(document: Document.Parsed): void {
  visit(document, {
    Pair(_, { key }) {
      const isWord = isScalar(key) && ["boolean", "number"].includes(typeof key.value);
      if (isWord && key.source !== undefined) key.value = key.source;
    },
  });
}

function firstLine(message: string): string {
  return message.split("\n")[0]?.replace(/[.:\s]+$/, "") ?? message;
}

/** Where brackets, which are all that can be nested so deep in a small text, go too deep. */
function lineOfDepth(text: string): number {
  let depth = 0;
  let line = 1;
  for (const letter of text) {
    if (letter === "\n") line += 1;
    else if (letter === "[" || letter === "{") depth += 1;
    else if (letter === "]" || letter === "}") depth -= 1;
    if (depth > maxDepth) return line;
  }
  return 1;
}
