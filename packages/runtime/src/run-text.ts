// The text of a run on its way into reports: pieces as they come, taken out together. Knows no channel.

import type { RunText } from "@corral/contract";

type Piece = RunText["pieces"][number];

/** UTF-16 code units of one run; what comes after is not kept, and the run's readers are told so. */
const mostTextLength = 4 * 1024 * 1024;

export class RunTextBuffer {
  #length = 0;
  #at = 0;
  #waiting: Piece[] = [];
  #isCut = false;

  /** Where the piece ends: the length of all text so far. */
  add(prompt: number, sequence: number, text: string): number {
    if (this.#length + text.length > mostTextLength) this.#isCut = true;
    if (this.#isCut || text === "") return this.#length;
    this.#length += text.length;
    const last = this.#waiting.at(-1);
    if (last !== undefined && last[0] === prompt && last[1] === sequence)
      this.#waiting[this.#waiting.length - 1] = [prompt, sequence, last[2] + text];
    else this.#waiting.push([prompt, sequence, text]);
    return this.#length;
  }

  get hasMore(): boolean {
    return this.#waiting.length > 0;
  }

  /** What came since it was last called; null: nothing. */
  take(): RunText | null {
    if (!this.hasMore) return null;
    const taken = { at: this.#at, pieces: this.#waiting };
    this.#at = this.#length;
    this.#waiting = [];
    return taken;
  }
}
