// The deployments of a project as the gateway addresses them, in one query for every project that is asked for.

import type { DeploymentStatus } from "@corral/contract";
import { callQueryMs, withRetry } from "../store/retry.ts";
import type { Store } from "../store/store.ts";
import type { AddressedDeployment, ListAddressed } from "./address-book.ts";

interface Row {
  readonly id: string;
  readonly name: string;
  readonly project_id: string;
  readonly model_id: string;
  readonly model_name: string;
  readonly model_title: string;
  readonly status: DeploymentStatus;
  readonly status_detail: string | null;
  readonly identifiers: string[];
  readonly deployed_at: Date;
  readonly production: boolean;
  readonly development: boolean;
  readonly stores_runs: boolean;
}

/** Every call asks this, so PostgreSQL parses and plans it once a connection. */
const statement = {
  query_timeout: callQueryMs,
  name: "addresses-of-projects",
  text: `select d.id, d.name, d.project_id, d.model_id, m.name as model_name,
      coalesce(m.title, m.name) as model_title, d.status, d.status_detail, d.identifiers,
      d.deployed_at, coalesce(m.production_deployment_id = d.id, false) as production, d.development,
      p.stores_runs
    from deployments d join models m on m.id = d.model_id join projects p on p.id = d.project_id
    where d.project_id = any ($1::text[]) and d.deleted_at is null`,
};

export function loadAddresses({ db, pool }: Pick<Store, "db" | "pool">): ListAddressed {
  return async (projectIds) => {
    const values = [[...projectIds]];
    const { rows } = await withRetry(db, () => pool.query<Row>({ ...statement, values }));
    const byProject = new Map<string, AddressedDeployment[]>(projectIds.map((id) => [id, []]));
    for (const row of rows) {
      byProject.get(row.project_id)?.push({
        id: row.id,
        name: row.name,
        projectId: row.project_id,
        modelId: row.model_id,
        modelName: row.model_name,
        modelTitle: row.model_title,
        status: row.status,
        statusDetail: row.status_detail,
        identifiers: row.identifiers,
        production: row.production,
        development: row.development,
        storesRuns: row.stores_runs,
        deployedAtMs: row.deployed_at.getTime(),
      });
    }
    return byProject;
  };
}
