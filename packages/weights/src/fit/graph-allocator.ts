// How large a buffer a graph of tensors needs where each is given room when it is computed and gives it back after its
// last use. Knows no model. Source: llama.cpp v0.5.0, ggml/src/ggml-alloc.c (ggml_gallocr, one buffer without a limit).

/** A result, an input or a view in a graph. */
export interface GraphTensor {
  readonly bytes: number;
  /** Tensors of one layout may share their room; those of another may not. */
  readonly layout: string;
  readonly sources: readonly GraphTensor[];
  /** Whose bytes it shows; null: it has its own. */
  readonly viewOf: GraphTensor | null;
  /** `input`: has its room from the beginning. `output`: keeps it. `external`: lies elsewhere, as weights do. */
  readonly kind: "computed" | "input" | "output" | "external";
  /** Whether its operation may write over a source. */
  readonly inPlace: boolean;
}

const alignment = 32;
const align = (bytes: number) => Math.ceil(bytes / alignment) * alignment;

interface TensorState {
  uses: number;
  views: number;
  offset: number;
  allocated: boolean;
}

/** The tensors that lead to `ends`, in the order in which they are computed, and the leaves among them. */
export function orderGraph(ends: readonly GraphTensor[]): {
  readonly leaves: readonly GraphTensor[];
  readonly nodes: readonly GraphTensor[];
} {
  const seen = new Set<GraphTensor>();
  const leaves: GraphTensor[] = [];
  const nodes: GraphTensor[] = [];
  for (const end of ends) visit(end);
  return { leaves, nodes };

  /** Without recursion: the tensors of a deep model are a chain of thousands. */
  function visit(end: GraphTensor): void {
    const stack: { readonly tensor: GraphTensor; next: number }[] = [];
    const enter = (tensor: GraphTensor) => {
      if (seen.has(tensor)) return;
      seen.add(tensor);
      stack.push({ tensor, next: 0 });
    };
    enter(end);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const source = top.tensor.sources[top.next];
      top.next += 1;
      if (source !== undefined) enter(source);
      else {
        stack.pop();
        const isLeaf = top.tensor.sources.length === 0;
        (isLeaf ? leaves : nodes).push(top.tensor);
      }
    }
  }
}

/** Bytes of the buffer that computes `ends`, in this order. */
export function graphBufferBytes(ends: readonly GraphTensor[]): number {
  const { leaves, nodes } = orderGraph(ends);
  const states = new Map<GraphTensor, TensorState>();
  const room = createRoom();
  const stateOf = (tensor: GraphTensor): TensorState => {
    let state = states.get(tensor);
    if (state === undefined) {
      state = { uses: 0, views: 0, offset: 0, allocated: false };
      states.set(tensor, state);
    }
    return state;
  };

  const allocate = (tensor: GraphTensor): void => {
    const state = stateOf(tensor);
    if (state.allocated || tensor.kind === "external" || tensor.viewOf !== null) return;
    state.allocated = true;
    if (tensor.inPlace && takeOver(tensor, state)) return;
    state.offset = room.take(tensor.bytes);
  };

  /** Whether a source that is used here for the last time leaves its room to the tensor. Views never do. */
  const takeOver = (tensor: GraphTensor, state: TensorState): boolean => {
    for (const source of tensor.sources) {
      const from = stateOf(source);
      if (!from.allocated || source.kind === "output" || source.layout !== tensor.layout) continue;
      if (from.uses !== 1 || from.views !== 0) continue;
      state.offset = from.offset;
      from.allocated = false;
      return true;
    }
    return false;
  };

  const release = (tensor: GraphTensor): void => {
    const state = stateOf(tensor);
    if (tensor.kind === "output" || !state.allocated) return;
    room.giveBack(state.offset, tensor.bytes);
    state.allocated = false;
  };

  for (const leaf of leaves) allocate(leaf);
  for (const node of nodes) {
    if (node.viewOf !== null) stateOf(node.viewOf).views += 1;
    for (const source of node.sources) {
      stateOf(source).uses += 1;
      if (source.kind === "input") allocate(source);
    }
  }
  for (const node of nodes) {
    for (const source of node.sources) allocate(source);
    allocate(node);
    for (const source of node.sources) {
      const state = stateOf(source);
      state.uses -= 1;
      if (state.uses !== 0 || state.views !== 0) continue;
      if (source.viewOf === null) release(source);
      else {
        const owner = stateOf(source.viewOf);
        owner.views -= 1;
        if (owner.views === 0 && owner.uses === 0) release(source.viewOf);
      }
    }
  }
  return room.mostBytes();
}

/** Room that grows at its end; the smallest gap that is large enough is taken first, of equal ones the last. */
function createRoom(): {
  take(bytes: number): number;
  giveBack(offset: number, bytes: number): void;
  mostBytes(): number;
} {
  const gaps = [{ offset: 0, bytes: Number.MAX_SAFE_INTEGER }];
  let most = 0;
  return {
    take(wanted) {
      const bytes = align(wanted);
      let best = gaps.length - 1;
      let bestBytes = Number.POSITIVE_INFINITY;
      for (const [index, gap] of gaps.entries()) {
        if (index === gaps.length - 1 || gap.bytes < bytes || gap.bytes > bestBytes) continue;
        best = index;
        bestBytes = gap.bytes;
      }
      const gap = gaps[best];
      if (gap === undefined) throw new TypeError("the last gap has no end");
      const { offset } = gap;
      gap.offset += bytes;
      gap.bytes -= bytes;
      if (gap.bytes === 0) gaps.splice(best, 1);
      most = Math.max(most, offset + bytes);
      return offset;
    },
    giveBack(offset, given) {
      const bytes = align(given);
      let index = gaps.findIndex((gap) => gap.offset > offset);
      if (index === -1) index = gaps.length;
      gaps.splice(index, 0, { offset, bytes });
      const [before, own, after] = [gaps[index - 1], gaps[index], gaps[index + 1]];
      if (own !== undefined && after !== undefined && own.offset + own.bytes === after.offset) {
        own.bytes += after.bytes;
        gaps.splice(index + 1, 1);
      }
      if (own !== undefined && before !== undefined && before.offset + before.bytes === own.offset) {
        before.bytes += own.bytes;
        gaps.splice(index, 1);
      }
    },
    mostBytes: () => most,
  };
}
