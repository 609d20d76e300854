// Weights that are ready on this machine, as a deployment finds them by name.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import { readGenerationConfigBeside, type CatalogueRow } from "@corral/weights";
import { listAcceptedLicenses } from "../store/licenses.ts";
import type { Db, WeightsRow } from "../store/schema.ts";
import { findWeights, listWeightsOfOrigin } from "../store/weights.ts";
import { checkLicense, weightsRequest } from "./request.ts";
import type { WeightsPlaces } from "./source.ts";
import { weightsFileName } from "./supervisor.ts";

export interface PreparedWeights {
  readonly path: string;
  readonly sha256: string;
  /** Beside the file; empty where there is none. */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** What came along with them; null: the model's own. */
  readonly contextLength: number | null;
  readonly row: CatalogueRow | null;
  /** What they are called unless a name is given. */
  readonly name: string;
  /** What they are, without their recipe: an identifier, a repository or a path. */
  readonly reference: string;
}

/** Looks up ready weights of one project. */
export interface PreparedLookup {
  /**
   * By what a person writes. Fails with `weights_missing` or `license_not_accepted`, which say what to do, or as
   * `weightsSource` does.
   */
  bySource(source: string): Promise<PreparedWeights>;
  /** Fails with `weights_not_found`, or `weights_missing` where they are not ready. */
  byId(id: string): Promise<PreparedWeights>;
}

export interface PreparedOptions {
  readonly db: Db;
  readonly projectId: string;
  readonly platformId: string;
  readonly places: WeightsPlaces;
  /** Where the file of weights of that content is written. */
  readonly directoryOf: (contentKey: string) => string;
}

export function createPreparedLookup({
  db,
  projectId,
  platformId,
  places,
  directoryOf,
}: PreparedOptions): PreparedLookup {
  const preparedOf = async (
    row: WeightsRow,
    identity: Pick<PreparedWeights, "row" | "name">,
  ): Promise<PreparedWeights | null> => {
    if (row.status !== "ready" || row.path === null || row.sha256 === null) return null;
    if (!(await isThere(row.path))) return null;
    // Weights of the hub's cache have theirs in the directory that was made for them.
    const own = await readGenerationConfigBeside(join(directoryOf(row.content_key), weightsFileName));
    const hasOwn = Object.keys(own).length > 0;
    const { source, carried } = row.preparation;
    return {
      path: row.path,
      sha256: row.sha256,
      generationConfig: {
        ...(hasOwn ? own : await readGenerationConfigBeside(row.path)),
        ...carried?.generationConfig,
      },
      contextLength: carried?.contextLength ?? null,
      row: identity.row,
      name: identity.name,
      reference: identity.row?.identifier ?? (source.kind === "hub" ? source.repository : source.path),
    };
  };

  return {
    async bySource(source) {
      const request = await weightsRequest({ source }, places);
      const rows = await listWeightsOfOrigin(db, projectId, platformId, request.origin);
      const accepted = await listAcceptedLicenses(db, projectId);
      // The usual recipe first, then what was made last.
      const usual = rows.filter(({ content_key }) => content_key === request.contentKey);
      const others = rows.filter(({ content_key }) => content_key !== request.contentKey);
      for (const row of [...usual, ...others]) {
        const prepared = await preparedOf(row, request);
        if (prepared === null) continue;
        checkLicense(undefined, request, accepted);
        return prepared;
      }
      throw missing(source, request.row, rows, accepted, places);
    },
    async byId(id) {
      const row = await findWeights(db, projectId, id);
      if (row === null || row.platform_id !== platformId) throw weightsNotFound(id);
      const { identifier, name } = row;
      const identity = { row: identifier === null ? null : places.catalogue.find(identifier), name };
      const prepared = await preparedOf(row, identity);
      if (prepared !== null) return prepared;
      const why = row.status === "ready" ? "their file is gone" : `they are ${row.status}`;
      throw new ServingError(
        "weights_missing",
        `The weights ${id} (${row.source}) cannot be deployed: ${why}; \`corral weights show ${id}\` says more.`,
      );
    },
  };
}

export function weightsNotFound(id: string): ServingError {
  return new ServingError(
    "weights_not_found",
    `There are no weights ${JSON.stringify(id.slice(0, 100))}; \`corral weights ls\` lists those there are.`,
  );
}

/** One sentence with what to do: wait, or ask for them. */
function missing(
  source: string,
  row: CatalogueRow | null,
  rows: readonly WeightsRow[],
  accepted: ReadonlySet<string>,
  { catalogue }: WeightsPlaces,
): ServingError {
  const running = rows.find(({ status }) => !["ready", "failed", "canceled"].includes(status));
  const name = row?.identifier ?? source;
  if (running !== undefined) {
    return new ServingError(
      "weights_missing",
      `The weights of ${name} are being prepared (${running.status}); \`corral weights show ${running.id}\` shows how far they are.`,
    );
  }
  const license = row?.license ?? null;
  const flag = license === null || accepted.has(license.id) ? "" : ` --accept-license ${license.id}`;
  const field = flag === "" ? "" : `, "accept_license": "${license?.id ?? ""}"`;
  const from = row?.weights.kind === "hub" ? ` (${row.weights.repository})` : "";
  const standIn = row === null ? undefined : catalogue.standInsFor(row.identifier)[0];
  const tiny =
    standIn === undefined
      ? ""
      : ` \`corral deploy ${standIn.identifier}\` deploys a tiny stand-in meanwhile.`;
  return new ServingError(
    "weights_missing",
    `The weights of ${name}${from} are not on this machine: \`corral deploy ${name}${flag}\`, or POST ` +
      `/api/v1/weights {"source": ${JSON.stringify(name)}${field}}, fetches them.${tiny}`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true;
}
