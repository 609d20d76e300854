// What was used in a range of days: runs that are kept together with the sums of those that are not. Costs are added up in
// the database, in exact decimals.

import { usageGroups, type UsageGroup, type UsageItem, type UsageReport } from "@corral/contract";
import { sql, type RawBuilder } from "kysely";
import { withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";

export interface UsageRange {
  /** Days of UTC as `2027-01-31`: [from, to). */
  readonly from: string;
  readonly to: string;
}

export interface ReportQuery extends UsageRange {
  /** Id or name. */
  readonly key?: string | undefined;
  /** Id or name. */
  readonly model?: string | undefined;
  /** Of this key alone, whatever `key` says; null: of none. */
  readonly onlyKeyId?: string | null | undefined;
  readonly groupBy: readonly UsageGroup[];
}

/** More are not answered: a caller narrows the days or the groups. */
export const mostItems = 50_000;

interface Row {
  readonly is_total: boolean;
  readonly day: string | null;
  readonly model_id: string | null;
  readonly model_name: string | null;
  readonly key_id: string | null;
  readonly key_name: string | null;
  readonly runs: number;
  readonly incomplete_runs: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly generated_tokens: number;
  readonly run_time_us: number;
  readonly cost: string | null;
  readonly unpriced_runs: number;
}

/** Newest day first. Null: there are more than `mostItems` items. */
export async function readUsage(db: Db, projectId: string, query: ReportQuery): Promise<UsageReport | null> {
  const { from, to, groupBy } = query;
  const [rows, currency] = await withRetry(db, () =>
    Promise.all([
      sql<Row>`${reportOf(projectId, query)}`.execute(db).then((result) => result.rows),
      currencyOf(db, projectId),
    ]),
  );
  const [total, ...items] = rows;
  if (total === undefined || !total.is_total) throw new TypeError("The report has no total.");
  if (items.length > mostItems) return null;
  return { from, to, currency, items: items.map((row) => itemOf(row, groupBy)), total: countsOf(total) };
}

/** Null: the project has no prices. */
export async function currencyOf(db: Db, projectId: string): Promise<string | null> {
  const row = await db
    .selectFrom("prices")
    .select("currency")
    .where("project_id", "=", projectId)
    .limit(1)
    .executeTakeFirst();
  return row?.currency ?? null;
}

function reportOf(projectId: string, query: ReportQuery): RawBuilder<Row> {
  const { from, to } = query;
  const groups = usageGroups.filter((group) => query.groupBy.includes(group));
  return sql<Row>`
    with used as (
      select (runs.finished_at at time zone 'UTC')::date as day, deployments.model_id, runs.key_id,
        price_at(deployments.model_id, runs.finished_at) as price_from,
        1 as runs,
        case when not runs.usage_complete and runs.replica_id is not null then 1 else 0 end as incomplete_runs,
        runs.prompt_tokens, runs.cached_tokens, runs.generated_tokens,
        coalesce(round(runs.run_time_ms::numeric * 1000), 0) as run_time_us
      from runs join deployments on deployments.id = runs.deployment_id
      where runs.project_id = ${projectId}
        and runs.finished_at >= ${from}::date::timestamp at time zone 'UTC'
        and runs.finished_at < ${to}::date::timestamp at time zone 'UTC'
        ${wantedOf(projectId, query)}
      union all
      select day, model_id, key_id, price_from, runs, incomplete_runs, prompt_tokens, cached_tokens,
        generated_tokens, run_time_us
      from usage_days
      where project_id = ${projectId} and day >= ${from}::date and day < ${to}::date
        ${wantedOf(projectId, query)}
    ), summed as (
      select day, model_id, key_id, price_from, sum(runs) as runs, sum(incomplete_runs) as incomplete_runs,
        sum(prompt_tokens) as prompt_tokens, sum(cached_tokens) as cached_tokens,
        sum(generated_tokens) as generated_tokens, sum(run_time_us) as run_time_us
      from used group by day, model_id, key_id, price_from
    ), priced as (
      select summed.day::text as day, summed.model_id, models.name as model_name, summed.key_id,
        api_keys.name as key_name, runs, incomplete_runs, prompt_tokens, cached_tokens, generated_tokens, run_time_us,
        (prompt_tokens - cached_tokens) * price.prompt_token + cached_tokens * price.cached_token
          + generated_tokens * price.generated_token + run_time_us * price.per_ms / 1000 as cost,
        case when price.model_id is null then runs else 0 end as unpriced_runs
      from summed
      join models on models.id = summed.model_id
      left join api_keys on api_keys.id = summed.key_id
      left join prices price on price.model_id = summed.model_id and price.valid_from = summed.price_from
    )
    select grouping(${sql.join(groups.flatMap(columnsOf))}) > 0 as is_total,
      ${sql.join(allColumns.map((name) => selected(name, groups)))},
      ${sql.join(sums.map((name) => sql`coalesce(sum(${sql.ref(name)}), 0)::bigint as ${sql.ref(name)}`))},
      trim_scale(sum(cost))::text as cost
    from priced
    group by grouping sets ((${sql.join(groups.flatMap(columnsOf))}), ())
    order by is_total desc, ${sql.join(groups.flatMap(orderOf))}
    limit ${mostItems + 2}`;
}

const sums = [
  "runs",
  "incomplete_runs",
  "prompt_tokens",
  "cached_tokens",
  "generated_tokens",
  "run_time_us",
  "unpriced_runs",
] as const;
const columns = { day: ["day"], model: ["model_id", "model_name"], key: ["key_id", "key_name"] } as const;
const allColumns = Object.entries(columns).flatMap(([group, names]) =>
  names.map((name) => ({ group: group as UsageGroup, name })),
);

function columnsOf(group: UsageGroup): RawBuilder<unknown>[] {
  return columns[group].map((name) => sql.ref(name));
}

function selected(
  { group, name }: (typeof allColumns)[number],
  groups: readonly UsageGroup[],
): RawBuilder<unknown> {
  return groups.includes(group) ? sql`${sql.ref(name)}` : sql`null as ${sql.ref(name)}`;
}

function orderOf(group: UsageGroup): RawBuilder<unknown>[] {
  if (group === "day") return [sql`day desc`];
  return columns[group].toReversed().map((name) => sql`${sql.ref(name)} nulls first`);
}

/** The same of both tables, whose columns have these names once. */
function wantedOf(projectId: string, { key, model, onlyKeyId }: ReportQuery): RawBuilder<unknown> {
  const conditions = [
    ...(key === undefined
      ? []
      : [
          sql`and key_id in (select id from api_keys where project_id = ${projectId} and (id = ${key} or name = ${key}))`,
        ]),
    ...(model === undefined
      ? []
      : [
          sql`and model_id in (select id from models where project_id = ${projectId} and (id = ${model} or name = ${model}))`,
        ]),
    ...(onlyKeyId === undefined ? [] : [sql`and key_id = ${onlyKeyId}`]),
  ];
  return conditions.length === 0 ? sql`` : sql.join(conditions, sql` `);
}

function itemOf(row: Row, groupBy: readonly UsageGroup[]): UsageItem {
  return {
    ...(groupBy.includes("day") ? { day: row.day ?? "" } : {}),
    ...(groupBy.includes("model") ? { model_id: row.model_id ?? "", model_name: row.model_name ?? "" } : {}),
    ...(groupBy.includes("key") ? { key_id: row.key_id, key_name: row.key_name } : {}),
    ...countsOf(row),
  };
}

function countsOf(row: Row): UsageReport["total"] {
  return {
    runs: row.runs,
    incomplete_runs: row.incomplete_runs,
    prompt_tokens: row.prompt_tokens,
    cached_tokens: row.cached_tokens,
    generated_tokens: row.generated_tokens,
    run_time_ms: row.run_time_us / 1_000,
    cost: row.cost,
    unpriced_runs: row.unpriced_runs,
  };
}
