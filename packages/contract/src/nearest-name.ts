// The hint behind an unknown name.

/** The known name that fewest edits lead to, if at most two fifths of the name, or one letter, must be edited. */
export function nearestName(name: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  let fewest = Math.max(1, Math.floor(name.length * 0.4)) + 1;
  for (const candidate of known) {
    // Every letter that one name has more than the other is an edit.
    if (Math.abs(candidate.length - name.length) >= fewest) continue;
    const edits = editDistance(name, candidate);
    if (edits < fewest) {
      fewest = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Longer names are no misspelling of anything here, and comparing them would take long. */
const longestCompared = 100;

/** Insertions, deletions, substitutions and swaps of neighbours between two strings (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  if (a.length > longestCompared || b.length > longestCompared) return Infinity;
  let twoBack: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? (twoBack[j - 2] ?? 0) + 1
          : Infinity;
      row.push(Math.min(substituted, swapped, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    twoBack = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
