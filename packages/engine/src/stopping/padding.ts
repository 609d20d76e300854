// Makes rows of one length, as `generate` returns them.

/** Fills shorter rows on the right. Without a pad id they stay as they are. */
export function padRows(
  rows: readonly (readonly number[])[],
  padId: number | null,
): readonly (readonly number[])[] {
  if (padId === null) return rows;
  const width = Math.max(0, ...rows.map((row) => row.length));
  return rows.map((row) => [...row, ...Array.from({ length: width - row.length }, () => padId)]);
}
