// Rows as text: aligned columns with a heading on a terminal, tab-separated without one elsewhere.

export function table(
  heading: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  terminal: boolean,
): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell ?? "-")));
  if (!terminal) return cells.map((row) => row.join("\t")).join("\n");
  const all = [heading.map((title) => title.toUpperCase()), ...cells];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A server's text must not steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\t\n]/g, " ").replaceAll(/\p{Cc}/gu, "\ufffd");
}

/** "3.2 MB", in powers of ten. */
export function byteText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
