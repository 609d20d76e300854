// Ends what a former process of this home left behind: its replicas, where they still live, and their open runs.

import { dirname } from "node:path";
import { endReplica, listAliveReplicas } from "../store/replicas.ts";
import type { Db } from "../store/schema.ts";
import { temporaryDirectoryPrefix } from "./process.ts";
import { killRecordedProcess } from "./process-identity.ts";
import { lostRun } from "./records.ts";
import { removeDirectory } from "./remove-directory.ts";

/** Gives the number of replicas that were ended. */
export async function endLeftovers(
  db: Db,
  platformId: string,
  runDirectory: string,
  now: () => Date,
): Promise<number> {
  const rows = await listAliveReplicas(db, { platformId });
  for (const row of rows) {
    // A pid alone may belong to a stranger by now.
    if (row.pid !== null && row.process_started !== null)
      await killRecordedProcess(row.pid, row.process_started);
    const elsewhere = temporaryDirectory(row.address);
    if (elsewhere !== null) await removeDirectory(elsewhere);
    await endReplica(db, row.id, { now: now(), detail: "The platform ended.", error: lostRun });
  }
  await removeDirectory(runDirectory);
  return rows.length;
}

/** Where the driver put a replica whose socket's path would have been too long under the home; null: not there. */
function temporaryDirectory(address: string): string | null {
  if (!address.startsWith("unix:")) return null;
  const directory = dirname(address.slice("unix:".length));
  return directory.startsWith(temporaryDirectoryPrefix) ? directory : null;
}
