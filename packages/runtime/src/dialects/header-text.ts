// Warnings as the value of a header: a JSON list in printable ASCII, short enough for every client's limit.

const longestHeader = 4_000;

/** A JSON list; other than ASCII is written as \u escapes. What does not fit is counted by the last entry. */
export function encodeWarnings(warnings: readonly string[]): string {
  for (let kept = warnings.length; kept > 0; kept -= 1) {
    const left = warnings.length - kept;
    const text = asciiJson(left === 0 ? warnings : [...warnings.slice(0, kept), `and ${left} more`]);
    if (text.length <= longestHeader) return text;
  }
  return asciiJson([`${warnings.length} warnings`]);
}

function asciiJson(value: readonly string[]): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
