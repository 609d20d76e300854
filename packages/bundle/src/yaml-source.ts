// YAML text → a plain JSON value and, for any JSON pointer, the line it stands on. Knows nothing of what the
// keys mean.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type ParsedNode,
} from "yaml";
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

/** Reads YAML 1.1, as Truss does (PyYAML): `yes` is true there. Duplicate keys are an error. */
export function readYaml(text: string): YamlOutcome {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.1",
    uniqueKeys: true,
    lineCounter: lines,
    prettyErrors: false,
    customTags: pyYamlTags,
  });
  const problems = [...document.errors, ...document.warnings].map((problem) => ({
    line: lines.linePos(problem.pos[0]).line,
    message:
      problem.code === "DUPLICATE_KEY" ? "a key stands here a second time" : firstLine(problem.message),
  }));
  if (problems.length > 0) return { kind: "refused", problems };
  if (depth(document.contents, 0) > maxDepth) {
    return { kind: "refused", problems: [{ line: 1, message: `nested deeper than ${maxDepth} levels` }] };
  }
  keepKeys(document);
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    const source: YamlSource = {
      value,
      lineOf(path) {
        const offset = find(document, path).offset;
        return offset === null ? null : lines.linePos(offset).line;
      },
      numberSource(path) {
        const { node, isWhole } = find(document, path);
        const isNumber = isWhole && isScalar(node) && typeof node.value === "number";
        return isNumber ? (node.source ?? null) : null;
      },
    };
    return { kind: "parsed", source };
  } catch (error) {
    const message = error instanceof Error ? firstLine(error.message) : "cannot be read";
    return { kind: "refused", problems: [{ line: 1, message }] };
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

function depth(node: unknown, at: number): number {
  if (at > maxDepth) return at;
  if (isMap(node)) return Math.max(at, ...node.items.map((pair) => depth(pair.value, at + 1)));
  if (isSeq(node)) return Math.max(at, ...node.items.map((item) => depth(item, at + 1)));
  return at;
}

interface Found {
  readonly node: ParsedNode | null | undefined;
  /** Where the key, or an item, begins. */
  readonly offset: number | null;
  /** Whether the whole path was found, or only its beginning. */
  readonly isWhole: boolean;
}

function find(document: Document.Parsed, path: readonly PropertyKey[]): Found {
  let node: ParsedNode | null | undefined = document.contents;
  let offset: number | null = node?.range[0] ?? null;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document) as ParsedNode | undefined;
    if (isMap(node)) {
      const pair: unknown = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return { node, offset, isWhole: false };
      const found = pair as { key: ParsedNode; value: ParsedNode | null };
      offset = found.key.range[0];
      node = found.value;
    } else if (isSeq(node)) {
      const item: ParsedNode | undefined = node.items[Number(step)];
      if (item === undefined) return { node, offset, isWhole: false };
      node = item;
      offset = node.range[0];
    } else {
      return { node, offset, isWhole: false };
    }
  }
  if (isAlias(node)) node = node.resolve(document) as ParsedNode | undefined;
  return { node, offset, isWhole: true };
}
