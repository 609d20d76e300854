// Finds what a sequence need not compute: a prefix in the cache, or one that another sequence is computing now.

import type { KvCache } from "../cache/kv-cache.ts";
import type { Group } from "../group.ts";
import { noSlot, type Sequence } from "../sequence.ts";

/** Waiting for a leader costs a step or more; for fewer tokens than these it is not worth it. */
const shortestFollowedLength = 16;

/**
 * Sequences of one group that was preempted had their common prefix in the same cells: without those again, it would
 * take more than it asked for.
 */
const shortestCommonLength = 1;

export interface PrefixSharing {
  /**
   * An opened sequence without cells takes the longest prefix that is computed, follows a running one that is
   * computing a clearly longer one, or has one restored from the store, now or by a later step. Gives the number of
   * tokens it took at once.
   */
  settle(sequence: Sequence, namespace: string): number;
  /** The sequence follows a leader that has come far enough, or that will not; or it waits for a step that restores it. */
  isDue(sequence: Sequence): boolean;
  /** How many of the first `tokens` running sequences have computed, or are about to. */
  sharedWithRunning(tokens: readonly number[], namespace: string): number;
}

/** `running`: the groups whose sequences may lead; a live view. */
export function createPrefixSharing(cache: KvCache, running: readonly Group[]): PrefixSharing {
  /**
   * Sequences that may lead, by slot. Not those that follow: chains could close to a ring. Not the rows they wait
   * for either: a group computes these at once, and may be waiting for the follower.
   */
  function leaders(): Map<number, Sequence> {
    const found = new Map<number, Sequence>();
    for (const { sequences } of running) {
      for (const sequence of sequences.values()) {
        if (sequence.leader === null && sequence.slot !== noSlot) found.set(sequence.slot, sequence);
      }
    }
    return found;
  }

  /** Null for one that was never preempted. */
  function preemptedGroupOf(sequence: Sequence): Group | null {
    const own = running.find(({ sequences }) => sequences.get(sequence.id) === sequence);
    return own === undefined || own.admittedAtMs === null ? null : own;
  }

  return {
    settle(sequence, namespace) {
      const { slot, tokens } = sequence;
      sequence.leader = null;
      sequence.awaitsRestoring = false;
      // The rows from `outputStart` on have to be computed for this very sequence: where that is 0, as for scores of
      // a given text, it shares nothing of others, who may share what it computes.
      const limit = sequence.outputStart;
      const computed = cache.match(namespace, tokens, limit, (other) =>
        other === slot ? 0 : cache.computedCountOf(other),
      );
      const stored = cache.matchStored(namespace, tokens, limit, computed?.length ?? 0);
      const candidates = leaders();
      candidates.delete(slot);
      const known = cache.match(namespace, tokens, limit, (other) => candidates.get(other)?.outputStart ?? 0);
      const leader = candidates.get(known?.slot ?? noSlot);
      if (known !== null && leader !== undefined) {
        const isSibling = preemptedGroupOf(sequence)?.sequences.get(leader.id) === leader;
        // A file of its own would bring the common part in cells of its own.
        const isLonger = isSibling || known.length >= (stored?.length ?? 0);
        const shortest = isSibling ? shortestCommonLength : shortestFollowedLength;
        if (isLonger && known.length - (computed?.length ?? 0) >= shortest) {
          sequence.leader = { sequence: leader, length: known.length };
          return 0;
        }
      }
      if (stored?.fitsNow === false) {
        sequence.awaitsRestoring = true;
        return 0;
      }
      if (stored !== null && cache.restore(slot, stored)) {
        sequence.isRestoring = true;
        return 0;
      }
      if (computed === null) return 0;
      cache.share(computed.slot, slot, computed.length);
      sequence.computedTokenCount = computed.length;
      return computed.length;
    },
    isDue({ leader, awaitsRestoring }) {
      if (leader === null) return awaitsRestoring;
      const { sequence, length } = leader;
      const isGone = sequence.slot === noSlot || sequence.leader !== null || sequence.tokens.length < length;
      return isGone || sequence.computedTokenCount >= length;
    },
    sharedWithRunning(tokens, namespace) {
      const candidates = leaders();
      const match = cache.match(namespace, tokens, tokens.length - 1, (other) => {
        const running_ = candidates.get(other);
        return running_ === undefined ? 0 : Math.max(running_.outputStart, running_.computedTokenCount);
      });
      return match?.length ?? 0;
    },
  };
}
