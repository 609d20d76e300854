// Where the result of a run goes, as its row keeps it.

import type { Dialect } from "@corral/contract";
import { placeOf } from "../secrets/live-sealing.ts";
import type { SealedColumn } from "../secrets/sealed-columns.ts";
import type { Sealing } from "../secrets/sealing.ts";
import type { WebhookTarget } from "../store/tables/runs.ts";

export const callerSecret = {
  table: "runs",
  idColumn: "id",
  column: "webhook_secret",
} as const satisfies SealedColumn;

export interface NewTarget {
  /** As `checkWebhookUrl` gave it. */
  readonly url: string;
  /** In whose form and with whose signatures it is sent. */
  readonly dialect: Dialect;
  /** The value of Cerebrium's `X-Webhook-Secret`; null: it was not sent. */
  readonly secret: string | null;
}

/** The columns of the run `runId` (a uuid in lower case) that say where its result goes. */
export function targetColumns({ url, dialect, secret }: NewTarget, runId: string, sealing: Sealing) {
  const webhook: WebhookTarget = { url, dialect };
  return {
    webhook: JSON.stringify(webhook),
    webhook_secret: secret === null ? null : sealing.seal(secret, placeOf(callerSecret, runId)),
  };
}
