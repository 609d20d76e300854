// Which files of a repository a config names, by patterns as Python's fnmatch reads them. Pure.
// Source of the rule: huggingface_hub 2.4.0, utils/_paths.py, filter_repo_objects.

export interface FilePatterns {
  /** Absent: all files. */
  readonly allow?: readonly string[];
  /** Of those, which are left out. */
  readonly ignore?: readonly string[];
}

/** A star matches `/` as well; a pattern that ends in `/` means all below that folder. Upper case counts. */
export function matchesPatterns(path: string, { allow, ignore }: FilePatterns): boolean {
  if (allow !== undefined && !allow.some((pattern) => toExpression(pattern).test(path))) return false;
  return !(ignore ?? []).some((pattern) => toExpression(pattern).test(path));
}

function toExpression(pattern: string): RegExp {
  const whole = pattern.endsWith("/") ? `${pattern}*` : pattern;
  let source = "";
  for (let index = 0; index < whole.length; index += 1) {
    const character = whole.charAt(index);
    const end = character === "[" ? endOfSet(whole, index) : -1;
    if (character === "*") {
      // Several stars say no more than one, and each would be tried at every place.
      if (!source.endsWith("*")) source += "[^]*";
    } else if (character === "?") source += "[^]";
    else if (end > 0) {
      source += setOf(whole.slice(index + 1, end));
      index = end;
    } else source += escape(character);
  }
  return new RegExp(`^${source}$`, "u");
}

/** The place of the bracket that closes a set; -1: none does, and the bracket stands for itself. */
function endOfSet(pattern: string, start: number): number {
  const isNegated = pattern.charAt(start + 1) === "!";
  // A closing bracket that comes first belongs to the set.
  return pattern.indexOf("]", start + (isNegated ? 3 : 2));
}

function setOf(inner: string): string {
  const isNegated = inner.startsWith("!");
  const members = (isNegated ? inner.slice(1) : inner)
    .replaceAll(/[\\\]^[]/g, "\\$&")
    // A range that runs backwards holds nothing.
    .replaceAll(/(.)-(.)/gu, (range, from: string, to: string) => (from > to ? "" : range));
  if (members === "") return isNegated ? "[^]" : "[]";
  return isNegated ? `[^${members}]` : `[${members}]`;
}

function escape(character: string): string {
  return character.replace(/[$()*+.?[\\\]^{|}/]/u, "\\$&");
}
