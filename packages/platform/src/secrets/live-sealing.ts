// The sealing of a running platform: its key can be replaced, and every sealed value with it.

import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";
import type { KeyFile, SealingKeys } from "./keys.ts";
import { sealedColumns, type SealedColumn } from "./sealed-columns.ts";
import { createSealing, keyIdOf, sealingKeyBytes, sealingKeyId, type Sealing } from "./sealing.ts";

export interface Rotation {
  /** Names the key that all values are sealed with now. */
  readonly keyId: string;
  readonly resealedCount: number;
  /** Values that no key here opens. They stay as they are. */
  readonly unreadableCount: number;
}

export interface LiveSealing extends Sealing {
  /**
   * Seals every value anew: with a fresh key that the file then holds alone, or, where the operator gave the keys, with
   * the first of those.
   */
  rotate(db: Db): Promise<Rotation>;
  /** Keys that values of the database were sealed with and that are not here, by their ids. */
  missingKeys(db: Db): Promise<string[]>;
}

export interface LiveSealingOptions {
  /** From CORRAL_SECRET_KEY; null: those of the file. */
  readonly given: SealingKeys | null;
  readonly file: KeyFile;
  readonly newKey?: () => Buffer;
  readonly columns?: readonly SealedColumn[];
}

export async function openLiveSealing({
  given,
  file,
  newKey = () => randomBytes(sealingKeyBytes),
  columns = sealedColumns,
}: LiveSealingOptions): Promise<LiveSealing> {
  let keys = given ?? (await file.read());
  let current = createSealing({ keys });
  let rotating: Promise<unknown> = Promise.resolve();

  async function rotate(db: Db): Promise<Rotation> {
    if (given === null) {
      keys = [newKey(), ...keys];
      // Before any value: whatever happens from here on, the file opens all of them.
      await file.write(keys);
      current = createSealing({ keys });
    }
    const counts = { resealedCount: 0, unreadableCount: 0 };
    for (const column of columns) {
      const { resealedCount, unreadableCount } = await resealColumn(db, column, current);
      counts.resealedCount += resealedCount;
      counts.unreadableCount += unreadableCount;
    }
    // In memory the older ones stay: what was read from a row a moment ago is still to be opened.
    if (given === null) await file.write([keys[0]]);
    return { keyId: current.keyId, ...counts };
  }

  return {
    get keyId() {
      return current.keyId;
    },
    seal: (text, place) => current.seal(text, place),
    open: (sealed, place) => current.open(sealed, place),
    rotate(db) {
      const next = rotating.then(() => rotate(db));
      rotating = next.catch(() => undefined);
      return next;
    },
    async missingKeys(db) {
      const known = new Set(keys.map(sealingKeyId));
      const found = new Set<string>();
      for (const column of columns)
        for (const { sealed } of await sealedValues(db, column)) {
          const id = keyIdOf(sealed);
          if (id !== null && !known.has(id)) found.add(id);
        }
      return [...found].toSorted();
    },
  };
}

interface SealedValue {
  readonly id: string;
  readonly sealed: Buffer;
}

async function sealedValues(db: Db, { table, idColumn, column }: SealedColumn): Promise<SealedValue[]> {
  const { rows } = await withRetry(db, () =>
    sql<SealedValue>`select ${sql.ref(idColumn)}::text as id, ${sql.ref(column)} as sealed
      from ${sql.table(table)} where ${sql.ref(column)} is not null`.execute(db),
  );
  return rows;
}

/** A value that is written meanwhile is left alone: who writes has the new key already. */
async function resealColumn(
  db: Db,
  where: SealedColumn,
  sealing: Sealing,
): Promise<Pick<Rotation, "resealedCount" | "unreadableCount">> {
  const { table, idColumn, column } = where;
  let [resealedCount, unreadableCount] = [0, 0];
  for (const { id, sealed } of await sealedValues(db, where)) {
    if (keyIdOf(sealed) === sealing.keyId) continue;
    const place = placeOf(where, id);
    let fresh: Buffer;
    try {
      fresh = sealing.seal(sealing.open(sealed, place), place);
    } catch {
      unreadableCount += 1;
      continue;
    }
    await withRetry(db, () =>
      sql`update ${sql.table(table)} set ${sql.ref(column)} = ${fresh}
        where ${sql.ref(idColumn)}::text = ${id} and ${sql.ref(column)} = ${sealed}`.execute(db),
    );
    resealedCount += 1;
  }
  return { resealedCount, unreadableCount };
}

/** Where a value of a column is sealed. */
export function placeOf({ table, column }: SealedColumn, row: string) {
  return { table, row, column } as const;
}
