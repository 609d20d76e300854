// What author code writes → lines of the log, with a bound on what a flood of them costs.

import { createRedactedLines, createRedactor, type Redactor } from "@corral/contract";
import type { Readable } from "node:stream";

/** A longer line is cut. */
export const longestLine = 8 * 1024;
/** What is written beyond this in one second is counted and dropped. */
export const mostBytesPerSecond = 256 * 1024;

/** What stands around a line in the log: many short ones cost, too. */
export const envelopeBytes = 120;

export interface LineBudget {
  /** False: the line is dropped. */
  take(line: string): boolean;
}

export interface LineBudgetOptions {
  /** In milliseconds, ascending. */
  readonly now: () => number;
  /** Told with the first line of a later second. */
  readonly onDropped: (lineCount: number) => void;
}

export function createLineBudget({ now, onDropped }: LineBudgetOptions): LineBudget {
  let secondBegan = now();
  let spentBytes = 0;
  let droppedCount = 0;
  return {
    take(line) {
      const time = now();
      if (time - secondBegan >= 1_000) {
        secondBegan = time;
        spentBytes = 0;
        if (droppedCount > 0) onDropped(droppedCount);
        droppedCount = 0;
      }
      spentBytes += line.length + envelopeBytes;
      if (spentBytes <= mostBytesPerSecond) return true;
      droppedCount += 1;
      return false;
    },
  };
}

/** So much is read at once of one stream; then it waits for the rest of a turn. */
const bytesPerTurn = 128 * 1024;
const turnMs = 100;

/**
 * Lines without secrets. Code that floods is slowed down: its lines cost the loop a bounded part of each second.
 * What is beyond the length of a line is not kept until its end comes.
 */
export function followLines(
  stream: Readable,
  onLine: (line: string) => void,
  redactor: Redactor = createRedactor(),
): void {
  const lines = createRedactedLines({ redactor, limit: longestLine, onLine });
  let turnBegan = 0;
  let readBytes = 0;
  function pace(length: number): void {
    const now = performance.now();
    if (now - turnBegan >= turnMs) [turnBegan, readBytes] = [now, 0];
    readBytes += length;
    if (readBytes <= bytesPerTurn) return;
    stream.pause();
    setTimeout(() => stream.resume(), turnBegan + turnMs - now);
  }
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    pace(text.length);
    lines.write(text);
  });
  stream.on("error", () => {});
  stream.on("close", () => lines.end());
}
