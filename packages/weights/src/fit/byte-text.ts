// Bytes as people read them.

/** "9.1 GB", "830 MB": with a decimal below ten of a unit. */
export function byteText(bytes: number): string {
  const units = ["MB", "GB", "TB"] as const;
  let value = bytes / 1e6;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit] ?? "TB"}`;
}
