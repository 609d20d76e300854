// Selection without sorting over a row of scores.

/** Up to this rank a sorted buffer is cheaper than passes over the row: it hardly ever changes. */
const bufferedRank = 256;
const digitBits = [11, 11, 10] as const;

/** The `rank`-th largest score, `rank` in `[1, scores.length]`, equal scores counted each. */
export function kthLargest(scores: Float32Array, rank: number): number {
  return rank <= bufferedRank ? lastOfBest(scores, rank) : radixSelect(scores, rank);
}

/** Keeps the best `rank` scores so far in descending order. */
function lastOfBest(scores: Float32Array, rank: number): number {
  const best = new Float32Array(rank).fill(-Infinity);
  let least = -Infinity;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score <= least) continue;
    let place = rank - 1;
    for (; place > 0 && best[place - 1]! < score; place--) best[place] = best[place - 1]!;
    best[place] = score;
    least = best[rank - 1]!;
  }
  return least;
}

/**
 * A radix selection over the float bits, made to ascend with the value: three passes over the row at most.
 */
function radixSelect(scores: Float32Array, rank: number): number {
  const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
  const counts = new Uint32Array(1 << 11);
  let prefix = 0;
  let prefixBits = 0;
  let remaining = rank;
  for (const width of digitBits) {
    counts.fill(0);
    const shift = 32 - prefixBits - width;
    const mask = (1 << width) - 1;
    for (let id = 0; id < bits.length; id++) {
      const key = ascendingKey(bits[id]!);
      if (prefixBits > 0 && key >>> (32 - prefixBits) !== prefix) continue;
      const digit = (key >>> shift) & mask;
      counts[digit] = counts[digit]! + 1;
    }
    let digit = mask;
    while (remaining > counts[digit]!) remaining -= counts[digit--]!;
    prefix = ((prefix << width) | digit) >>> 0;
    prefixBits += width;
  }
  return scoreOfKey(prefix);
}

/** Float bits as an unsigned integer that ascends with the float: negatives are complemented, the rest get the top bit. */
function ascendingKey(bits: number): number {
  return (bits ^ ((bits >> 31) | 0x80000000)) >>> 0;
}

function scoreOfKey(key: number): number {
  const word = new Uint32Array([key & 0x80000000 ? key ^ 0x80000000 : ~key]);
  return new Float32Array(word.buffer)[0]!;
}
