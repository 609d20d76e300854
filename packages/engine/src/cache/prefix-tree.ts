// A radix tree over the token ids that slots know: which slot has the longest common prefix with a prompt.
// Knows neither cells nor which of the ids are computed; the caller says how much of a slot may be used.

/** One edge of the tree: a run of ids that the same slots have, ended by a branch or by the end of one of them. */
interface Node {
  ids: number[];
  parent: Node | null;
  readonly children: Map<number, Node>;
  /** Slots whose ids pass through this node or end with it. */
  readonly slots: Set<number>;
}

interface Path {
  readonly namespace: string;
  /** The node that the slot's last id ends; the root where it knows none. */
  end: Node;
  length: number;
}

export interface PrefixMatch {
  readonly slot: number;
  /** Ids `[0, length)` are common, and usable in that slot; at least 1. */
  readonly length: number;
}

export interface PrefixTree {
  /** An empty slot begins to know ids in a namespace. Namespaces never share. Throws a RangeError where it has some. */
  open(namespace: string, slot: number): void;
  /** The slot knows these ids, too, after those it knows. */
  extend(slot: number, ids: readonly number[]): void;
  /** The slot knows only its ids `[0, length)`. */
  truncate(slot: number, length: number): void;
  /** The new slot `target` knows what `source` knows. */
  fork(source: number, target: number): void;
  /** The slot knows nothing any more. */
  close(slot: number): void;
  lengthOf(slot: number): number;
  /**
   * The slot that shares most with `ids[0, limit)`, of each slot at most its first `usableLength(slot)` ids.
   * Among equals the one met first from the root, then the one opened first. Null where nothing is common.
   */
  match(
    namespace: string,
    ids: readonly number[],
    limit: number,
    usableLength: (slot: number) => number,
  ): PrefixMatch | null;
  /** Slots other than this one that know all its ids. */
  coveringSlots(slot: number): number[];
  /** Slots all of whose ids this one knows, itself excluded. */
  coveredSlots(slot: number): number[];
  /** What is wrong, as sentences; empty when all is well. `expected`: the ids that each open slot should know. */
  integrity(expected: ReadonlyMap<number, readonly number[]>): string[];
}

/** No token has it. */
const noId = -1;

export function createPrefixTree(): PrefixTree {
  const roots = new Map<string, Node>();
  const paths = new Map<number, Path>();

  function pathOf(slot: number): Path {
    const path = paths.get(slot);
    if (path === undefined) throw new RangeError(`Slot ${slot} is not in the prefix tree.`);
    return path;
  }

  /** Cuts a node in two; the upper half keeps its identity below the parent, the lower half is new. */
  function split(node: Node, at: number): void {
    const lower = createNode(node, node.ids.splice(at), node.slots);
    for (const [first, child] of node.children) {
      child.parent = lower;
      lower.children.set(first, child);
    }
    node.children.clear();
    node.children.set(firstOf(lower), lower);
    for (const slot of node.slots) {
      const path = pathOf(slot);
      if (path.end === node) path.end = lower;
    }
  }

  /** Joins a node with its only child where the very same slots pass through both. */
  function join(node: Node): void {
    if (node.parent === null || node.children.size !== 1) return;
    const [child] = [...node.children.values()] as [Node];
    if (child.slots.size !== node.slots.size) return;
    for (const id of child.ids) node.ids.push(id);
    node.children.clear();
    for (const [first, grandchild] of child.children) {
      grandchild.parent = node;
      node.children.set(first, grandchild);
    }
    for (const slot of child.slots) {
      const path = pathOf(slot);
      if (path.end === child) path.end = node;
    }
  }

  /** Takes the slot out of a node that its ids no longer reach. */
  function leave(node: Node, slot: number): void {
    const { parent } = node;
    node.slots.delete(slot);
    if (parent === null) return;
    if (node.slots.size === 0) parent.children.delete(firstOf(node));
    else join(node);
  }

  function open(namespace: string, slot: number): void {
    if (paths.has(slot)) throw new RangeError(`Slot ${slot} is in the prefix tree already.`);
    let root = roots.get(namespace);
    if (root === undefined) roots.set(namespace, (root = createNode(null, [], [])));
    root.slots.add(slot);
    paths.set(slot, { namespace, end: root, length: 0 });
  }

  function truncate(slot: number, length: number): void {
    const path = pathOf(slot);
    let surplus = path.length - length;
    if (surplus <= 0) return;
    path.length = length;
    while (surplus > 0) {
      const { end } = path;
      if (surplus >= end.ids.length) {
        surplus -= end.ids.length;
        path.end = end.parent ?? end;
        leave(end, slot);
        continue;
      }
      split(end, end.ids.length - surplus);
      surplus = 0;
      const [lower] = [...end.children.values()] as [Node];
      path.end = end;
      leave(lower, slot);
    }
  }

  return {
    open,
    truncate,

    extend(slot, ids) {
      const path = pathOf(slot);
      let index = 0;
      while (index < ids.length) {
        const { end } = path;
        const child = end.children.get(ids[index] ?? noId);
        if (child === undefined) {
          const rest = ids.slice(index);
          // Nobody else passes or branches off here: the node grows.
          if (end.parent !== null && end.slots.size === 1 && end.children.size === 0) {
            for (const id of rest) end.ids.push(id);
          } else {
            path.end = createNode(end, rest, [slot]);
            end.children.set(firstOf(path.end), path.end);
          }
          break;
        }
        const common = commonLength(child.ids, ids, index, ids.length);
        if (common < child.ids.length) split(child, common);
        child.slots.add(slot);
        path.end = child;
        index += common;
        join(end);
      }
      path.length += ids.length;
    },

    fork(source, target) {
      const { namespace, end, length } = pathOf(source);
      open(namespace, target);
      for (let node: Node | null = end; node !== null; node = node.parent) node.slots.add(target);
      paths.set(target, { namespace, end, length });
    },

    close(slot) {
      const path = pathOf(slot);
      truncate(slot, 0);
      path.end.slots.delete(slot);
      if (path.end.slots.size === 0) roots.delete(path.namespace);
      paths.delete(slot);
    },

    lengthOf: (slot) => pathOf(slot).length,

    match(namespace, ids, limit, usableLength) {
      let best: PrefixMatch | null = null;
      let depth = 0;
      let node = roots.get(namespace)?.children.get(ids[0] ?? noId);
      while (node !== undefined && depth < limit) {
        const common = commonLength(node.ids, ids, depth, limit);
        depth += common;
        for (const slot of node.slots) {
          const length = Math.min(depth, usableLength(slot));
          if (length > (best?.length ?? 0)) best = { slot, length };
        }
        if (common < node.ids.length) break;
        node = node.children.get(ids[depth] ?? noId);
      }
      return best;
    },

    coveringSlots(slot) {
      const { end } = pathOf(slot);
      return [...end.slots].filter((other) => other !== slot);
    },

    coveredSlots(slot) {
      const covered: number[] = [];
      for (let node: Node | null = pathOf(slot).end; node !== null; node = node.parent) {
        for (const other of node.slots) if (other !== slot && pathOf(other).end === node) covered.push(other);
      }
      return covered;
    },

    integrity(expected) {
      const problems: string[] = [];
      for (const slot of paths.keys())
        if (!expected.has(slot)) problems.push(`Slot ${slot} should not be known.`);
      for (const [slot, ids] of expected) {
        const path = paths.get(slot);
        if (path === undefined) {
          problems.push(`Slot ${slot} is not known.`);
          continue;
        }
        const runs: number[][] = [];
        for (let node: Node | null = path.end; node !== null; node = node.parent) {
          if (!node.slots.has(slot)) problems.push(`Slot ${slot} is missing from a node of its path.`);
          runs.unshift(node.ids);
        }
        const known = runs.flat();
        if (
          path.length !== ids.length ||
          known.length !== ids.length ||
          known.some((id, at) => id !== ids[at])
        )
          problems.push(`Slot ${slot} knows other ids than its sequence.`);
      }
      for (const root of roots.values()) problems.push(...nodeProblems(root, paths));
      return problems;
    },
  };
}

function createNode(parent: Node | null, ids: number[], slots: Iterable<number>): Node {
  return { ids, parent, children: new Map(), slots: new Set(slots) };
}

function firstOf(node: Node): number {
  return node.ids[0] ?? noId;
}

/** How many of `run` equal `ids[from, to)`. */
function commonLength(run: readonly number[], ids: readonly number[], from: number, to: number): number {
  const most = Math.min(run.length, to - from);
  let length = 0;
  while (length < most && run[length] === ids[from + length]) length += 1;
  return length;
}

function nodeProblems(node: Node, paths: ReadonlyMap<number, Path>): string[] {
  const problems: string[] = [];
  if (node.slots.size === 0) problems.push("A node has no slots.");
  for (const slot of node.slots) if (!paths.has(slot)) problems.push(`A node holds the closed slot ${slot}.`);
  for (const [first, child] of node.children) {
    if (child.parent !== node || child.ids[0] !== first) problems.push("A node hangs at the wrong place.");
    for (const slot of child.slots) if (!node.slots.has(slot)) problems.push(`Slot ${slot} skips a node.`);
    problems.push(...nodeProblems(child, paths));
  }
  const [only] = node.children.values();
  if (node.parent !== null && node.children.size === 1 && only?.slots.size === node.slots.size)
    problems.push("Two nodes should be one.");
  return problems;
}
