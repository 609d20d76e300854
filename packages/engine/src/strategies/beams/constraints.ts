// How far a sequence is with the words that must come: pure data, one step a token. Knows no scores.

/** One of the words must come; a trie of them, as they may share beginnings. */
export interface Constraint {
  readonly root: TrieNode;
  /** Tokens of its longest word. */
  readonly length: number;
}

/** A node without children ends a word. */
interface TrieNode {
  /** In the order in which the words name them. */
  readonly children: ReadonlyMap<number, TrieNode>;
  /** Tokens that lead to it. */
  readonly depth: number;
}

export interface ConstraintProgress {
  /** Tokens of the longest word of all constraints. */
  readonly longest: number;
  readonly completedCount: number;
  /** The one whose word has begun; no other goes on until it is complete or broken off. */
  readonly begun: { readonly constraint: Constraint; readonly node: TrieNode } | null;
  /** In the order in which they are tried. */
  readonly pending: readonly Constraint[];
}

/** `words`: at least one, none of them empty or the beginning of another. */
export function createConstraint(words: readonly (readonly number[])[]): Constraint {
  const length = words.reduce((longest, word) => Math.max(longest, word.length), 0);
  return { root: trieOf(words, 0), length };
}

function trieOf(words: readonly (readonly number[])[], depth: number): TrieNode {
  const longer = words.filter((word) => word.length > depth);
  const byToken = Map.groupBy(longer, (word) => word[depth]!);
  const children = [...byToken].map(([token, group]) => [token, trieOf(group, depth + 1)] as const);
  return { children: new Map(children), depth };
}

/** `constraints`: at least one. */
export function startProgress(constraints: readonly Constraint[]): ConstraintProgress {
  const longest = constraints.reduce((most, { length }) => Math.max(most, length), 0);
  return { longest, completedCount: 0, begun: null, pending: constraints };
}

export function isFulfilled({ begun, pending }: ConstraintProgress): boolean {
  return begun === null && pending.length === 0;
}

/**
 * After one more token. One that breaks a word off is not looked at again, so it begins no other, and the constraint
 * comes last from then on.
 * Source: transformers 4.46.3, generation/beam_constraints.py, ConstraintListState.add.
 */
export function advanced(progress: ConstraintProgress, token: number): ConstraintProgress {
  const { begun, pending } = progress;
  if (begun !== null) {
    const node = begun.node.children.get(token);
    if (node !== undefined) return withBegun(progress, begun.constraint, node);
    return { ...progress, begun: null, pending: [...pending, begun.constraint] };
  }
  const index = pending.findIndex(({ root }) => root.children.has(token));
  const constraint = pending[index];
  const node = constraint?.root.children.get(token);
  if (constraint === undefined || node === undefined) return progress;
  return withBegun({ ...progress, pending: pending.toSpliced(index, 1) }, constraint, node);
}

function withBegun(progress: ConstraintProgress, constraint: Constraint, node: TrieNode): ConstraintProgress {
  return node.children.size > 0
    ? { ...progress, begun: { constraint, node } }
    : { ...progress, begun: null, completedCount: progress.completedCount + 1 };
}

export function progressAfter(
  constraints: readonly Constraint[],
  tokens: readonly number[],
): ConstraintProgress {
  return tokens.reduce(advanced, startProgress(constraints));
}

export interface ConstraintBranch {
  readonly token: number;
  readonly progress: ConstraintProgress;
}

/**
 * The tokens that would take the sequence on, each with what it comes to; none where all words are there. A token may
 * be named twice.
 * Source: transformers 4.46.3, generation/beam_constraints.py, ConstraintListState.advance and copy. Where a word that
 * has begun may go on in several ways, those after the first are looked up behind the first, as there, where copies
 * share their list; so they count as broken off.
 */
export function branches(progress: ConstraintProgress): ConstraintBranch[] {
  const { begun, pending } = progress;
  if (begun === null) {
    const tokens = pending.flatMap(({ root }) => [...root.children.keys()]);
    return tokens.map((token) => ({ token, progress: advanced(progress, token) }));
  }
  let { node } = begun;
  return [...node.children.keys()].map((token) => {
    const branch = { token, progress: advanced({ ...progress, begun: { ...begun, node } }, token) };
    node = node.children.get(token) ?? node;
    return branch;
  });
}

/**
 * Sequences that are equally far compete with each other: complete words count fully, one that has begun by the tokens
 * it has left.
 * Source: transformers 4.46.3, generation/beam_constraints.py, ConstraintListState.get_bank.
 */
export function bankOf({ longest, completedCount, begun }: ConstraintProgress): number {
  const left = begun === null ? longest : begun.constraint.length - begun.node.depth;
  return completedCount * longest + longest - left;
}
