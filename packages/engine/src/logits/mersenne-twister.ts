// The random numbers of torch on a CPU, by which watermarks are defined.

const size = 624;
const middle = 397;

export interface MersenneTwister {
  /** Only the lowest 32 bits of torch's seeds count: an integer in `[0, 2^32)`. */
  seed(value: number): void;
  /** The next integer in `[0, 2^32)`. */
  next(): number;
}

/**
 * MT19937. Source: Matsumoto and Nishimura, "Mersenne Twister", 1998; seeding as torch 2.15.0,
 * ATen/core/MT19937RNGEngine.h.
 */
export function createMersenneTwister(seed = 0): MersenneTwister {
  const state = new Int32Array(size);
  let place = size;

  function seedWith(value: number): void {
    state[0] = value;
    for (let index = 1; index < size; index++) {
      const previous = state[index - 1]!;
      state[index] = Math.imul(1812433253, previous ^ (previous >>> 30)) + index;
    }
    place = size;
  }

  seedWith(seed);
  return {
    seed: seedWith,
    next() {
      if (place === size) {
        twist(state);
        place = 0;
      }
      let bits = state[place++]!;
      bits ^= bits >>> 11;
      bits ^= (bits << 7) & 0x9d2c5680;
      bits ^= (bits << 15) & 0xefc60000;
      return (bits ^ (bits >>> 18)) >>> 0;
    },
  };
}

function twist(state: Int32Array): void {
  let current = state[0]!;
  for (let index = 0; index < size; index++) {
    const following = state[index + 1 < size ? index + 1 : 0]!;
    const other = state[index < size - middle ? index + middle : index + middle - size]!;
    const bits = (current & 0x80000000) | (following & 0x7fffffff);
    state[index] = other ^ (bits >>> 1) ^ (-(bits & 1) & 0x9908b0df);
    current = following;
  }
}

/**
 * Makes the first `count` entries of `target` those of a random permutation of `[0, target.length)`.
 * Source: torch 2.15.0, ATen/native/TensorFactories.cpp, randperm_cpu: entry i changes places with one of those from i
 * on, so that the first ones are final early.
 */
export function fillPermutation(target: Int32Array, count: number, random: MersenneTwister): void {
  const { length } = target;
  for (let index = 0; index < length; index++) target[index] = index;
  const end = Math.min(count, length - 1);
  for (let index = 0; index < end; index++) {
    const other = index + ((random.next() >>> 0) % ((length - index) >>> 0));
    const moved = target[index]!;
    target[index] = target[other]!;
    target[other] = moved;
  }
}

/** Whether `value` would be among the first `count` entries of that permutation of `[0, length)`, without making it. */
export function isEarlyInPermutation(
  value: number,
  count: number,
  length: number,
  random: MersenneTwister,
): boolean {
  const end = Math.min(count, length - 1);
  let place = value;
  for (let index = 0; index < end; index++) {
    const other = index + ((random.next() >>> 0) % ((length - index) >>> 0));
    if (other === place) return true;
    if (index === place) place = other;
  }
  return place < count;
}
