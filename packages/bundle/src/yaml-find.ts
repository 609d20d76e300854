// The node of a YAML document at a path, through aliases and merge keys (`<<`).

import { isAlias, isMap, isScalar, isSeq, type Document, type ParsedNode, type YAMLMap } from "yaml";

export interface Found {
  readonly node: ParsedNode | null | undefined;
  /** Where the key, or an item, begins. */
  readonly offset: number | null;
  /** Whether the whole path was found, or only its beginning. */
  readonly isWhole: boolean;
}

interface ParsedPair {
  readonly key: ParsedNode;
  readonly value: ParsedNode | null;
}

export function findNode(document: Document.Parsed, path: readonly PropertyKey[]): Found {
  let node = resolved(document, document.contents);
  let offset: number | null = node?.range[0] ?? null;
  for (const step of path) {
    if (isMap(node)) {
      const pair = memberOf(document, node, String(step));
      if (pair === null) return { node, offset, isWhole: false };
      offset = pair.key.range[0];
      node = resolved(document, pair.value);
    } else if (isSeq(node)) {
      const item: ParsedNode | undefined = node.items[Number(step)];
      if (item === undefined) return { node, offset, isWhole: false };
      offset = item.range[0];
      node = resolved(document, item);
    } else {
      return { node, offset, isWhole: false };
    }
  }
  return { node, offset, isWhole: true };
}

interface Members {
  readonly own: ReadonlyMap<string, ParsedPair>;
  /** Maps, or lists of maps, whose members count where there is none of its own. */
  readonly merged: readonly (ParsedNode | null)[];
}

/** Of each map once: a map of many keys is asked for many of them. */
const known = new WeakMap<YAMLMap.Parsed, Members>();

function membersOf(map: YAMLMap.Parsed): Members {
  const before = known.get(map);
  if (before !== undefined) return before;
  const own = new Map<string, ParsedPair>();
  const merged: (ParsedNode | null)[] = [];
  for (const pair of map.items as readonly ParsedPair[]) {
    if (!isScalar(pair.key)) continue;
    if (typeof pair.key.value === "symbol") merged.push(pair.value);
    else own.set(String(pair.key.value), pair);
  }
  const members = { own, merged };
  known.set(map, members);
  return members;
}

function memberOf(document: Document.Parsed, map: YAMLMap.Parsed, key: string): ParsedPair | null {
  const { own, merged } = membersOf(map);
  const found = own.get(key);
  if (found !== undefined) return found;
  for (const given of merged) {
    const source = resolved(document, given);
    for (const one of isSeq(source) ? source.items : [source]) {
      const inner = resolved(document, one);
      const pair = isMap(inner) ? memberOf(document, inner, key) : null;
      if (pair !== null) return pair;
    }
  }
  return null;
}

function resolved(
  document: Document.Parsed,
  node: ParsedNode | null | undefined,
): ParsedNode | null | undefined {
  return isAlias(node) ? (node.resolve(document) as ParsedNode | undefined) : node;
}
