// The secret that a project's deliveries are signed with: made when it is first needed, replaced on demand. For a day
// the replaced one signs as well, so that receivers can follow.

import { randomBytes } from "node:crypto";
import { placeOf } from "../secrets/live-sealing.ts";
import type { Sealing } from "../secrets/sealing.ts";
import { inTransaction, withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";
import { secretPrefix } from "./signatures.ts";

/** How long a replaced secret signs. */
export const overlapMs = 24 * 3_600_000;

export interface WebhookSecrets {
  readonly db: Db;
  readonly sealing: Sealing;
  readonly now: () => Date;
}

const place = (projectId: string, column: "secret" | "previous") =>
  placeOf({ table: "webhook_secrets", idColumn: "project_id", column }, projectId);

/** Those that sign now, the newest first. */
export async function signingSecrets(services: WebhookSecrets, projectId: string): Promise<string[]> {
  const { db, sealing, now } = services;
  const find = db.selectFrom("webhook_secrets").selectAll().where("project_id", "=", projectId);
  const row = await withRetry(db, async () => {
    const found = await find.executeTakeFirst();
    if (found !== undefined) return found;
    const secret = sealing.seal(newSecret(), place(projectId, "secret"));
    await db
      .insertInto("webhook_secrets")
      .values({ project_id: projectId, secret })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    // Another process may have been first: its secret stands.
    return find.executeTakeFirstOrThrow();
  });
  const secrets = [sealing.open(row.secret, place(projectId, "secret"))];
  if (row.previous !== null && row.previous_until !== null && row.previous_until > now())
    secrets.push(sealing.open(row.previous, place(projectId, "previous")));
  return secrets;
}

/** Answers the new one. Of two replaced within a day the later alone still signs. */
export async function rotateSecret(services: WebhookSecrets, projectId: string): Promise<string> {
  const { db, sealing, now } = services;
  await signingSecrets(services, projectId);
  const fresh = newSecret();
  await withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const row = await transaction
        .selectFrom("webhook_secrets")
        .selectAll()
        .where("project_id", "=", projectId)
        .forUpdate()
        .executeTakeFirstOrThrow();
      const current = sealing.open(row.secret, place(projectId, "secret"));
      // An attempt whose answer was lost has done it.
      if (current === fresh) return;
      await transaction
        .updateTable("webhook_secrets")
        .set({
          secret: sealing.seal(fresh, place(projectId, "secret")),
          previous: sealing.seal(current, place(projectId, "previous")),
          previous_until: new Date(now().getTime() + overlapMs),
          rotated_at: now(),
        })
        .where("project_id", "=", projectId)
        .execute();
    }),
  );
  return fresh;
}

function newSecret(): string {
  return secretPrefix + randomBytes(32).toString("base64");
}
