// NDJSON: bytes in chunks of any size → lines.

/** Calls `onLine` for each complete line and `onOverflow` once a line is longer than the limit. */
export function lineSplitter(
  limitBytes: number,
  onLine: (line: string) => void,
  onOverflow: () => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let heldBytes = 0;
  return (chunk) => {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      const line = Buffer.concat(parts).toString("utf8");
      parts = [];
      heldBytes = 0;
      from = end + 1;
      if (line !== "") onLine(line);
    }
    if (from < chunk.length) {
      parts.push(chunk.subarray(from));
      heldBytes += chunk.length - from;
      if (heldBytes > limitBytes) onOverflow();
    }
  };
}
