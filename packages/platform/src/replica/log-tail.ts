// Turns what a process writes into lines, hands each on and keeps the last ones for the reason of a failure.

import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

const keptLineCount = 40;
const lineLimit = 8_192;

export interface LogTail {
  /** Reads a stream to its end. */
  follow(stream: Readable): void;
  /** The last lines, oldest first. */
  lines(): readonly string[];
}

export function createLogTail(onLine: (line: string) => void): LogTail {
  const kept: string[] = [];
  const take = (line: string) => {
    if (line === "") return;
    const text = line.length > lineLimit ? `${line.slice(0, lineLimit)}…` : line;
    kept.push(text);
    if (kept.length > keptLineCount) kept.shift();
    onLine(text);
  };
  return {
    lines: () => kept,
    follow(stream) {
      const decoder = new StringDecoder("utf8");
      let rest = "";
      stream.on("data", (chunk: Buffer) => {
        const lines = (rest + decoder.write(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) take(line);
        if (rest.length > lineLimit) {
          take(rest);
          rest = "";
        }
      });
      stream.once("end", () => take(rest + decoder.end()));
      stream.on("error", () => {});
    },
  };
}
