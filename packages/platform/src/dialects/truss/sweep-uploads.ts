// Archives whose time is over, and such as nobody knows any more, are removed from disk.

import { knownUploads, removeExpiredUploads } from "../../store/uploads.ts";
import type { TrussServices } from "./services.ts";

type Services = Pick<TrussServices, "db" | "uploads" | "now">;

/** An upload that ends with its credentials may take so long. */
const graceMs = 60 * 60_000;

export async function removeExpired({ db, uploads, now }: Services): Promise<void> {
  for (const id of await removeExpiredUploads(db, new Date(now().getTime() - graceMs)))
    await uploads.remove(id);
}

/** At the start, when nothing is being received. */
export async function sweepUploads(services: Services): Promise<void> {
  await removeExpired(services);
  const there = await services.uploads.list();
  const known = await knownUploads(services.db, there);
  for (const id of there) if (!known.has(id)) await services.uploads.remove(id);
}
