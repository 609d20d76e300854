// The first admin key: made where there is none, kept in CORRAL_HOME/admin-key for the command line of this machine.

import { open } from "node:fs/promises";
import { randomId, randomSecret } from "./store/ids.ts";
import { createKey, keyState, listKeys } from "./store/keys.ts";
import type { Db } from "./store/schema.ts";

/** Makes the first admin key; null where a valid one exists. The file is written before the row: no key is lost. */
export async function ensureAdminKey(
  db: Db,
  projectId: string,
  path: string,
  now: Date,
): Promise<string | null> {
  if (await hasAdminKey(db, projectId, now)) return null;
  const [id, secret] = [randomId(), randomSecret()];
  const key = `corral_${id}_${secret}`;
  const file = await open(path, "w", 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(`${key}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  const input = {
    name: "first admin key",
    scopes: ["admin" as const],
    models: null,
    token_cap: null,
    weight: 1,
    expires_at: null,
  };
  await createKey(db, projectId, input, { newId: () => id, newSecret: () => secret });
  return key;
}

async function hasAdminKey(db: Db, projectId: string, now: Date): Promise<boolean> {
  for (let cursor: string | undefined; ;) {
    const page = await listKeys(db, projectId, { limit: 500, cursor });
    if (
      page.items.some(
        (row) => row.scopes.includes("admin") && row.models === null && keyState(row, now) === "valid",
      )
    )
      return true;
    if (page.nextCursor === null) return false;
    cursor = page.nextCursor;
  }
}
