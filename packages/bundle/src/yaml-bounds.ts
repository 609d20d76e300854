// How much a parsed YAML document holds, and which keys of it stand there twice. Each walk is linear.

import { isAlias, isCollection, isMap, isPair, isScalar, type Node } from "yaml";

/** Keys and values of one document, those that aliases repeat included. */
export const mostNodes = 20_000;

export interface Measured {
  /** Offset of the first collection that lies deeper than is allowed; null: none. */
  readonly deep: number | null;
  /** Offset of the first node above `mostNodes`; null: none. */
  readonly excess: number | null;
  /** Offsets of the aliases, in order. */
  readonly aliases: readonly number[];
}

export function measure(root: unknown, maxDepth: number): Measured {
  const aliases: number[] = [];
  let deep: number | null = null;
  let excess: number | null = null;
  let nodeCount = 0;
  const walk = (node: unknown, depth: number): void => {
    if (deep !== null || excess !== null) return;
    if (isPair(node)) {
      walk(node.key, depth);
      walk(node.value, depth);
      return;
    }
    nodeCount += 1;
    if (nodeCount > mostNodes) excess = offsetOf(node);
    if (isAlias(node)) aliases.push(offsetOf(node));
    if (!isCollection(node)) return;
    if (depth > maxDepth) deep = offsetOf(node);
    else for (const item of node.items) walk(item, depth + 1);
  };
  walk(root, 1);
  return { deep, excess, aliases };
}

/** Offsets of keys that stand in their map a second time. Merge keys (`<<`) may. */
export function duplicateKeys(root: unknown): number[] {
  const found: number[] = [];
  const walk = (node: unknown): void => {
    if (isPair(node)) {
      walk(node.key);
      walk(node.value);
    }
    if (!isCollection(node)) return;
    const seen = new Set<string>();
    for (const item of node.items) {
      if (isMap(node) && isPair(item) && isScalar(item.key) && typeof item.key.value !== "symbol") {
        const { value } = item.key;
        // Keys of a document are text, numbers, truth values or null; the text 1 and the number 1 are one key, too.
        const key = typeof value === "string" ? value : JSON.stringify(value);
        if (seen.has(key)) found.push(offsetOf(item.key));
        seen.add(key);
      }
      walk(item);
    }
  };
  walk(root);
  return found;
}

/** Whether a value, with what aliases repeat in it, is within the same bounds. */
export function isBounded(root: unknown, maxDepth: number): boolean {
  let count = 0;
  const walk = (value: unknown, depth: number): boolean => {
    count += 1;
    if (count > mostNodes || depth > maxDepth) return false;
    if (typeof value !== "object" || value === null) return true;
    return Object.values(value).every((member) => walk(member, depth + 1));
  };
  return walk(root, 0);
}

function offsetOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}
