// Texts that we write ourselves, made fit for a column: PostgreSQL's `text` cannot hold U+0000.

/** For details and logs only: what a caller sent is refused instead of changed. */
export function storable(text: string): string {
  return text.replaceAll("\u0000", "\uFFFD");
}
