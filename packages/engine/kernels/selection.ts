// Kernels of selection over one row of scores, in AssemblyScript with SIMD. They own no memory: the caller lays it
// out, pads the row with -Infinity to whole blocks, and passes addresses. Built by scripts/build-kernels.ts.

/** Scores of a block. Its maxima are four, one for each lane of its vectors. */
const blockLength = 128;
const vectorBytes = 16;
const blockBytes = blockLength * 4;

/** Writes each block's four maxima and gives the row's; NaN where any score is. */
export function blockMaxima(row: usize, blockCount: i32, maxima: usize): f32 {
  let best = f32x4.splat(-Infinity);
  let unordered = i32x4.splat(0);
  for (let block = 0; block < blockCount; block++) {
    let most0 = f32x4.splat(-Infinity);
    let most1 = most0;
    let most2 = most0;
    let most3 = most0;
    for (const end = row + blockBytes; row < end; row += 4 * vectorBytes) {
      const scores0 = v128.load(row);
      const scores1 = v128.load(row, vectorBytes);
      const scores2 = v128.load(row, 2 * vectorBytes);
      const scores3 = v128.load(row, 3 * vectorBytes);
      // Each passes NaN over, which is a single instruction.
      most0 = f32x4.pmax(most0, scores0);
      most1 = f32x4.pmax(most1, scores1);
      most2 = f32x4.pmax(most2, scores2);
      most3 = f32x4.pmax(most3, scores3);
      unordered = v128.or(unordered, f32x4.ne(scores0, scores0));
      unordered = v128.or(unordered, f32x4.ne(scores1, scores1));
      unordered = v128.or(unordered, f32x4.ne(scores2, scores2));
      unordered = v128.or(unordered, f32x4.ne(scores3, scores3));
    }
    const most = f32x4.pmax(f32x4.pmax(most0, most1), f32x4.pmax(most2, most3));
    v128.store(maxima, most);
    maxima += vectorBytes;
    best = f32x4.pmax(best, most);
  }
  if (v128.any_true(unordered)) return NaN;
  return max(
    max(f32x4.extract_lane(best, 0), f32x4.extract_lane(best, 1)),
    max(f32x4.extract_lane(best, 2), f32x4.extract_lane(best, 3)),
  );
}

/** Writes, ascending, the first `limit` ids whose score is at least `least`, and gives how many those are. */
export function gather(row: usize, blockCount: i32, maxima: usize, least: f32, ids: usize, limit: i32): i32 {
  const bound = f32x4.splat(least);
  let count = 0;
  for (let block = 0; block < blockCount; block++) {
    if (!v128.any_true(f32x4.ge(v128.load(maxima + block * vectorBytes), bound))) continue;
    for (let id = block * blockLength; id < (block + 1) * blockLength; id += 4) {
      let found = i32x4.bitmask(f32x4.ge(v128.load(row + id * 4), bound));
      for (; found != 0; found &= found - 1) {
        store<i32>(ids + count * 4, id + ctz(found));
        if (++count == limit) return count;
      }
    }
  }
  return count;
}

/**
 * A number that at least `count` of the maxima reach, and less than 1 % below the `count`-th largest of them: the bits
 * of the floats, made to ascend with them, are found one by one from the top.
 */
export function commonFloor(blockCount: i32, maxima: usize, count: i32): f32 {
  if (countAtLeast(-f32.MAX_VALUE, blockCount, maxima) < count) return -Infinity;
  let key: u32 = 0;
  for (let bit: u32 = 1 << 31; bit >= 1 << 15; bit >>= 1) {
    if (countAtLeast(floatOfKey(key | bit), blockCount, maxima) >= count) key |= bit;
  }
  return floatOfKey(key);
}

function floatOfKey(key: u32): f32 {
  return reinterpret<f32>(key >> 31 != 0 ? key ^ (1 << 31) : ~key);
}

function countAtLeast(least: f32, blockCount: i32, maxima: usize): i32 {
  const bound = f32x4.splat(least);
  let counts = i32x4.splat(0);
  for (const end = maxima + blockCount * vectorBytes; maxima < end; maxima += vectorBytes) {
    // A lane that holds is -1.
    counts = i32x4.sub(counts, f32x4.ge(v128.load(maxima), bound));
  }
  return (
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    i32x4.extract_lane(counts, 2) +
    i32x4.extract_lane(counts, 3)
  );
}

/**
 * Writes exp(score - best) and gives the sum, as doubles in order of id; before each block, the sum so far. No score is
 * NaN or above `best`, which is finite.
 */
export function exponentials(
  row: usize,
  blockCount: i32,
  maxima: usize,
  best: f32,
  weights: usize,
  sums: usize,
): f64 {
  const most = f32x4.splat(best);
  let sum: f64 = 0;
  for (let block = 0; block < blockCount; block++) {
    store<f64>(sums + block * 8, sum);
    const end = row + blockBytes;
    if (i32x4.all_true(isTiny(f32x4.sub(v128.load(maxima + block * vectorBytes), most)))) {
      memory.fill(weights, 0, blockBytes);
      weights += blockBytes;
      row = end;
    }
    for (; row < end; row += vectorBytes) {
      const x = f32x4.sub(v128.load(row), most);
      const low = f32x4.demote_f64x2_zero(exp(f64x2.promote_low_f32x4(x)));
      const high = f32x4.demote_f64x2_zero(exp(f64x2.promote_low_f32x4(upperHalf(x))));
      const weight = v128.andnot(v128.shuffle<f32>(low, high, 0, 1, 4, 5), isTiny(x));
      v128.store(weights, weight);
      weights += vectorBytes;
      sum += f32x4.extract_lane(weight, 0);
      sum += f32x4.extract_lane(weight, 1);
      sum += f32x4.extract_lane(weight, 2);
      sum += f32x4.extract_lane(weight, 3);
    }
  }
  return sum;
}

function isTiny(x: v128): v128 {
  return f32x4.lt(x, f32x4.splat(-87));
}

function upperHalf(vector: v128): v128 {
  return v128.shuffle<f32>(vector, vector, 2, 3, 2, 3);
}

/** The steps of `expFloat32` in src/logits/exp.ts on two numbers; any result where they are below -87. */
function exp(x: v128): v128 {
  const rounder = f64x2.splat(6755399441055744);
  const shifted = f64x2.add(f64x2.mul(x, f64x2.splat(1.4426950408889634)), rounder);
  const rest = f64x2.sub(x, f64x2.mul(f64x2.sub(shifted, rounder), f64x2.splat(0.6931471805599453)));
  let sum = f64x2.add(f64x2.mul(rest, f64x2.splat(1.0 / 5040.0)), f64x2.splat(1.0 / 720.0));
  sum = f64x2.add(f64x2.mul(sum, rest), f64x2.splat(1.0 / 120.0));
  sum = f64x2.add(f64x2.mul(sum, rest), f64x2.splat(1.0 / 24.0));
  sum = f64x2.add(f64x2.mul(sum, rest), f64x2.splat(1.0 / 6.0));
  sum = f64x2.add(f64x2.mul(sum, rest), f64x2.splat(1.0 / 2.0));
  sum = f64x2.add(f64x2.mul(sum, rest), f64x2.splat(1));
  sum = f64x2.add(f64x2.mul(sum, rest), f64x2.splat(1));
  // The power of two is in the lowest bits of `shifted`; added to the exponent, it multiplies.
  return i64x2.add(sum, i64x2.shl(shifted, 52));
}

/** Replaces each score by (score - first) - second, as float32. */
export function subtractTwice(row: usize, blockCount: i32, first: f32, second: f32): void {
  const one = f32x4.splat(first);
  const two = f32x4.splat(second);
  for (const end = row + blockCount * blockBytes; row < end; row += vectorBytes) {
    v128.store(row, f32x4.sub(f32x4.sub(v128.load(row), one), two));
  }
}
