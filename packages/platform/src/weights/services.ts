// What the routes of weights and of deployments share, and where a project's weights are found with it.

import type { ContentPlaces } from "../build/version-content.ts";
import type { Db } from "../store/schema.ts";
import type { AdapterPlaces } from "./adapter-file.ts";
import { createPreparedLookup } from "./prepared.ts";
import type { WeightsPlaces } from "./source.ts";
import type { WeightsSupervisor } from "./supervisor.ts";

export interface WeightsServices extends WeightsPlaces, AdapterPlaces {
  /** The platform on whose machine they are. */
  readonly platformId: string;
  readonly preparations: Pick<WeightsSupervisor, "wake" | "drop" | "directoryOf">;
}

/** Where a project's weights are looked for. */
export function placesOf(
  db: Db,
  { roots, catalogue, platformId, preparations }: WeightsServices,
  projectId: string,
): ContentPlaces {
  const directoryOf = (contentKey: string) => preparations.directoryOf(contentKey);
  const places = { roots, catalogue };
  return { ...places, prepared: createPreparedLookup({ db, projectId, platformId, places, directoryOf }) };
}
