// YAML text → a plain JSON value and, for any JSON pointer, the line it stands on. Knows nothing of what the
// keys mean.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type ParsedNode,
} from "yaml";

export interface YamlProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface YamlSource {
  readonly value: unknown;
  /** Line (from 1) of the key that a pointer names, or of its nearest ancestor; null for an empty document. */
  lineOf(path: readonly PropertyKey[]): number | null;
}

export type YamlOutcome =
  | { readonly kind: "parsed"; readonly source: YamlSource }
  | { readonly kind: "refused"; readonly problems: readonly YamlProblem[] };

/** Nested collections deeper than this are refused before anything walks them. */
const maxDepth = 64;
/** Tags whose values JSON cannot carry: they stay the text that was written. */
const leftAsText = ["timestamp", "binary", "omap", "pairs", "set"];

/** Reads YAML 1.1, as Truss does (PyYAML): `yes` is true there. Duplicate keys are an error. */
export function readYaml(text: string): YamlOutcome {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.1",
    uniqueKeys: true,
    lineCounter: lines,
    prettyErrors: false,
    customTags: (tags) =>
      tags.filter((tag) =>
        typeof tag === "string"
          ? !leftAsText.includes(tag)
          : !leftAsText.some((name) => tag.tag === `tag:yaml.org,2002:${name}`),
      ),
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
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { kind: "parsed", source: { value, lineOf: (path) => lineOf(document, lines, path) } };
  } catch (error) {
    const message = error instanceof Error ? firstLine(error.message) : "cannot be read";
    return { kind: "refused", problems: [{ line: 1, message }] };
  }
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

function lineOf(document: Document.Parsed, lines: LineCounter, path: readonly PropertyKey[]): number | null {
  let node: ParsedNode | null | undefined = document.contents;
  let offset: number | null = node?.range[0] ?? null;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document) as ParsedNode | undefined;
    if (isMap(node)) {
      const pair: unknown = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) break;
      const found = pair as { key: ParsedNode; value: ParsedNode | null };
      offset = found.key.range[0];
      node = found.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (node === undefined) break;
      offset = node.range[0];
    } else {
      break;
    }
  }
  return offset === null ? null : lines.linePos(offset).line;
}
