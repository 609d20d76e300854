// Decimal rounding as Python does it: in the exact binary value, of two numbers as near the one whose last digit is even.

/** Python's `round`. */
export function roundFloat(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 30) return value;
  if (digits > 0) return value < 0 ? -Number(toFixed(-value, digits)) : Number(toFixed(value, digits));
  const scale = 10 ** -digits;
  return evenHalf(value / scale) * scale;
}

/** A number that is not negative with so many digits, at most 100, behind the point. */
export function toFixed(value: number, digits: number): string {
  if (value >= 1e21) return `${BigInt(value)}${digits > 0 ? `.${"0".repeat(digits)}` : ""}`;
  const shown = value.toFixed(digits);
  // JavaScript takes the larger one of two that are as near.
  if (!isHalf(value, digits) || Number(shown.at(-1)) % 2 === 0) return shown;
  const smaller = String(BigInt(shown.replace(".", "")) - 1n).padStart(digits + 1, "0");
  return digits === 0 ? smaller : `${smaller.slice(0, -digits)}.${smaller.slice(-digits)}`;
}

/** Whether the value lies exactly between two numbers of so many digits. */
function isHalf(value: number, digits: number): boolean {
  if (digits > 75) return false;
  const exact = value.toFixed(digits + 25);
  return /^50*$/.test(exact.slice(exact.indexOf(".") + 1 + digits));
}

function evenHalf(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
