// How many threads compute a step: what the machine gives this process, less what others keep busy, shared with the
// replicas that compute at the same moment. Pure; `machine.ts` reads the machine and `thread-board.ts` the others.

export interface Machine {
  /** Processors that this process may be scheduled on. */
  readonly processorCount: number;
  /** CPUs' worth of time that the container is given; null: no quota. */
  readonly cpuQuota: number | null;
  /** Two hardware threads share a core. */
  readonly sharesCores: boolean;
}

/** A replica that computes at this moment. */
export interface Contender {
  /** Every replica orders all of them by name, so that all come to the same shares. */
  readonly name: string;
  /** Threads it would use alone. */
  readonly wish: number;
}

export interface BusyPeer extends Contender {
  /** Threads that its step uses now. */
  readonly threadCount: number;
}

/** What a replica may use just now, its peers apart. */
export interface Capacity {
  readonly threadCount: number;
  /** The same if nobody else used the machine. */
  readonly unloadedThreadCount: number;
}

/**
 * A model below this computes a step in about a millisecond, less than it costs threads to meet. corral-tiny-3 on two
 * busy cores: 100 tokens in 47 to 61 ms with one thread, 290 to 7,801 with two; 16 calls at once 0.7 to 1.1 s, 32 to 44.
 */
const smallModelBytes = 64 * 1024 * 1024;

/**
 * Others that use less of a core than this do not cost a thread: with 0.3 of one of two cores taken two threads were as
 * fast as one, with 0.6 slower, with all of it 80 times slower (docs/adr/0013).
 */
const foreignAllowance = 0.4;

/** What one replica uses where the operator did not say. */
export function chooseThreadCount(machine: Machine, modelBytes: number): number {
  return modelBytes < smallModelBytes ? 1 : usableThreadCount(machine, 0);
}

/**
 * Threads of llama.cpp spin at a barrier several times per layer, so one that has to wait for its processor holds up
 * all the others (docs/adr/0013). Hence: one per physical core, never more than the quota, one left for the event loop
 * and the platform where there are more than two, and none for a core that others use.
 */
export function usableThreadCount(machine: Machine, foreignCores: number): number {
  const cores = machine.sharesCores ? Math.ceil(machine.processorCount / 2) : machine.processorCount;
  const granted = Math.min(cores, Math.floor(machine.cpuQuota ?? Infinity));
  const spared = granted > 2 ? granted - 1 : granted;
  const free = Math.floor(machine.processorCount - foreignCores + foreignAllowance);
  return Math.max(1, Math.min(spared, free));
}

/** Windows of time that are remembered: a thread too many costs up to 80 ×, one too few at most 2 ×. */
export const loadWindowCount = 5;

/**
 * Cores that others use for longer: the mean over the last windows, none before the first. A program that starts, as a
 * caller's, is busy for half a second and no load.
 */
export function lastingLoad(windows: readonly number[]): number {
  const sum = windows.slice(-loadWindowCount).reduce((total, cores) => total + cores, 0);
  return sum / loadWindowCount;
}

/**
 * Threads of the next step, at least one. Alone a replica gets its wish, as far as others leave it; beside busy peers
 * its fair share, and until these have shrunk to theirs only what they leave.
 */
export function grantThreadCount(own: Contender, peers: readonly BusyPeer[], capacity: Capacity): number {
  const { threadCount, unloadedThreadCount } = capacity;
  if (peers.length === 0) {
    // Whoever wishes for more than the machine seems to have gets it, as long as nobody else wants any.
    return threadCount < unloadedThreadCount ? Math.min(own.wish, threadCount) : own.wish;
  }
  const taken = peers.reduce((sum, peer) => sum + peer.threadCount, 0);
  return Math.max(1, Math.min(fairShare(own, peers, threadCount), threadCount - taken));
}

/** Max-min fairness in whole threads: what modest wishes leave over goes to the others. */
function fairShare(own: Contender, peers: readonly Contender[], threadCount: number): number {
  const all = [own, ...peers].toSorted((a, b) => a.wish - b.wish || (a.name < b.name ? -1 : 1));
  let left = threadCount;
  for (const [index, contender] of all.entries()) {
    const share = Math.max(1, Math.min(contender.wish, Math.floor(left / (all.length - index))));
    if (contender === own) return share;
    left -= share;
  }
  return 1;
}
