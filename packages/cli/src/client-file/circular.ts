// Which types of a document would be themselves, had TypeScript to resolve them: `type A = B | null; type B = A`. Pure.

import { schemaType, type Schema } from "./schema-type.ts";

/**
 * By part those that it may not stand for directly, because they lead back to it; fields and lists on the way end that.
 * @param partOf the name of the part that a reference leads to; null: to none
 */
export function circular(
  schemas: Schema,
  partOf: (reference: string) => string | null,
): ReadonlyMap<string, ReadonlySet<string>> {
  const direct = new Map<string, ReadonlySet<string>>();
  for (const [name, schema] of Object.entries(schemas)) {
    const parts = new Set<string>();
    schemaType(schema, (reference, isDirect) => {
      const part = partOf(reference);
      if (isDirect && part !== null) parts.add(part);
      return "Part";
    });
    direct.set(name, parts);
  }
  return new Map(
    [...direct].map(([name, parts]) => [
      name,
      new Set([...parts].filter((part) => leadsTo(part, name, direct))),
    ]),
  );
}

function leadsTo(from: string, to: string, direct: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const seen = new Set([from]);
  // What is added meanwhile is visited, too.
  for (const part of seen) {
    if (part === to) return true;
    for (const next of direct.get(part) ?? []) seen.add(next);
  }
  return false;
}
