// Takes a directory of prepared weights away where nothing needs it any more.

import { rm } from "node:fs/promises";
import type { Db } from "../store/schema.ts";
import { deploymentsUsing, isContentWanted } from "../store/weights.ts";

/** Answers whether it went. Leaves it where weights of any project have their file in it, or a deployment of any project runs from it. */
export async function removeUnused(db: Db, platformId: string, directory: string): Promise<boolean> {
  if (await isContentWanted(db, platformId, directory)) return false;
  if ((await deploymentsUsing(db, directory, null)).length > 0) return false;
  await rm(directory, { recursive: true, force: true });
  return true;
}
