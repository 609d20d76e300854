// Bytes that are used again: the states of sequences are megabytes, and each of its own would cost the zeroing of its
// pages and, as garbage, collections that stop the replica.

export type ScratchBytes = (length: number) => Uint8Array<ArrayBuffer>;

/** Longer ones are made anew, so that one long state does not hold memory for good. */
const mostKeptBytes = 32 * 1024 ** 2;

/** Gives bytes of any content, which are the caller's until it asks for others. */
export function createScratchBytes(): ScratchBytes {
  let kept = new Uint8Array(0);
  return (length) => {
    if (length > mostKeptBytes) return new Uint8Array(length);
    // Conversations grow: a little more each time would be no reuse.
    if (kept.length < length) kept = new Uint8Array(Math.min(mostKeptBytes, Math.ceil(1.5 * length)));
    return kept.subarray(0, length);
  };
}
