// Turns what a process writes into lines without secrets, hands each on and keeps the last ones for the reason of a failure.

import { createRedactedLines, createRedactor, type Redactor } from "@corral/contract";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

const keptLineCount = 40;
/** A message of author code, and what stands around it. */
const lineLimit = 64 * 1024;

export interface LogTail {
  /** Reads a stream to its end. */
  follow(stream: Readable): void;
  /** The last lines, oldest first. */
  lines(): readonly string[];
}

export function createLogTail(
  onLine: (line: string) => void,
  redactor: Redactor = createRedactor(),
): LogTail {
  const kept: string[] = [];
  const take = (line: string) => {
    kept.push(line);
    if (kept.length > keptLineCount) kept.shift();
    onLine(line);
  };
  return {
    lines: () => kept,
    follow(stream) {
      const decoder = new StringDecoder("utf8");
      const lines = createRedactedLines({ redactor, limit: lineLimit, onLine: take });
      stream.on("data", (chunk: Buffer) => lines.write(decoder.write(chunk)));
      stream.once("end", () => {
        lines.write(decoder.end());
        lines.end();
      });
      stream.on("error", () => {});
    },
  };
}
