// Licences of models that a project accepted, once each.

import { withRetry } from "./retry.ts";
import type { Db } from "./schema.ts";

/** Remembers it; once is enough. */
export function acceptLicense(
  db: Db,
  { projectId, licenseId, keyId }: { projectId: string; licenseId: string; keyId: string | null },
): Promise<void> {
  return withRetry(db, async () => {
    await db
      .insertInto("accepted_licenses")
      .values({ project_id: projectId, license_id: licenseId, key_id: keyId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
}

export function listAcceptedLicenses(db: Db, projectId: string): Promise<ReadonlySet<string>> {
  return withRetry(db, async () => {
    const rows = await db
      .selectFrom("accepted_licenses")
      .select("license_id")
      .where("project_id", "=", projectId)
      .execute();
    return new Set(rows.map(({ license_id }) => license_id));
  });
}
