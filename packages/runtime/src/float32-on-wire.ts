// How a float32 is written as JSON.

/** The shortest number that is surely read as the same one; null for the logarithm of 0 and for what is no number. */
export function float32OnWire(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(9)) : null;
}
