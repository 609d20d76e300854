// What author code writes → lines of the log, with a bound on what a flood of them costs.

import type { Readable } from "node:stream";

/** A longer line is cut. */
export const longestLine = 8 * 1024;
/** What is written beyond this in one second is counted and dropped. */
export const mostBytesPerSecond = 256 * 1024;

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
      spentBytes += line.length + 1;
      if (spentBytes <= mostBytesPerSecond) return true;
      droppedCount += 1;
      return false;
    },
  };
}

/** Reading never stops: code that floods is not to block on it. */
export function followLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = text.split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) {
      onLine((rest + line).slice(0, longestLine));
      rest = "";
    }
    // What is beyond the length of a line is not kept until its end comes.
    rest = (rest + last).slice(0, longestLine);
  });
  stream.on("error", () => {});
  stream.on("close", () => {
    if (rest !== "") onLine(rest);
    rest = "";
  });
}
