// The models that Corral knows by name, and how a name finds its row. Rows are data and stand beside this file;
// an operator may add some (operator-rows.ts).

import { editDistance } from "@corral/contract";
import { llamaRows } from "./llama.ts";
import type { CatalogueRow } from "./row.ts";
import { tinyRows } from "./tiny.ts";

export interface Catalogue {
  readonly rows: readonly CatalogueRow[];
  /** The row of an identifier, an alias or a route's first segment, in any case; null where there is none. */
  readonly find: (name: string) => CatalogueRow | null;
  /** Rows with built-in weights that answer for `identifier` (canonical) while its own are missing. */
  readonly standInsFor: (identifier: string) => readonly CatalogueRow[];
  /** Up to three identifiers that `name` may have meant, nearest first. */
  readonly suggest: (name: string) => string[];
}

/** Fails with a `TypeError` where a name stands in two places. */
export function createCatalogue(rows: readonly CatalogueRow[]): Catalogue {
  const rowByName = new Map<string, CatalogueRow>();
  for (const row of rows) {
    for (const name of namesOf(row)) {
      if (rowByName.has(name)) throw new TypeError(`catalogue: ${name} stands there twice`);
      rowByName.set(name, row);
    }
  }
  return {
    rows,
    find: (name) => rowByName.get(name.toLowerCase()) ?? null,
    standInsFor: (identifier) => rows.filter((row) => row.standsInFor.includes(identifier)),
    suggest(name) {
      const wanted = name.toLowerCase();
      const distances = new Map<string, number>();
      for (const [known, row] of rowByName) {
        const distance = editDistance(wanted, known);
        const contained = wanted.length >= 4 && known.includes(wanted);
        if (distance > Math.max(2, Math.floor(known.length / 4)) && !contained) continue;
        distances.set(row.identifier, Math.min(distances.get(row.identifier) ?? Infinity, distance));
      }
      return [...distances]
        .sort(([, a], [, b]) => a - b)
        .slice(0, 3)
        .map(([identifier]) => identifier);
    },
  };
}

/** Everything that leads to a row. */
export function namesOf({ identifier, aliases, routes }: CatalogueRow): readonly string[] {
  return [identifier, ...aliases, ...routes];
}

export const builtInCatalogue = createCatalogue([...llamaRows, ...tinyRows]);

/** `llama2-7b` and `llamav2-7b-webhook` → `llamav2-7b`; null where the catalogue has no such name. */
export function canonicalIdentifier(
  name: string,
  catalogue: Pick<Catalogue, "find"> = builtInCatalogue,
): string | null {
  return catalogue.find(name)?.identifier ?? null;
}

/**
 * A row's generation_config.json for weights with that many tokens. Ids that such a vocabulary has not are of another
 * model, whose own end tokens then hold.
 */
export function generationConfigOf(
  { generationConfig }: Pick<CatalogueRow, "generationConfig">,
  vocabularySize: number,
): Readonly<Record<string, unknown>> {
  const isForeign = ([name, value]: [string, unknown]) =>
    name.endsWith("_token_id") && [value].flat().some((id) => Number(id) >= vocabularySize);
  return Object.fromEntries(Object.entries(generationConfig).filter((entry) => !isForeign(entry)));
}
