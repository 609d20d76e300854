-- What was used, beyond the life of the runs: sums by day, and prices.

-- Of a model, from a moment until its next price. Exact decimals: money is never a float.
create table prices (
  project_id text not null references projects (id),
  model_id text not null references models (id),
  valid_from timestamptz(3) not null,
  -- ISO 4217; the same for all prices of a project, so that costs can be added.
  currency text not null,
  -- For one token of a prompt that was computed, one that was found in the prefix cache, one that was generated.
  prompt_token numeric not null,
  cached_token numeric not null,
  generated_token numeric not null,
  -- For one millisecond of a run's own time.
  per_ms numeric not null,
  primary key (model_id, valid_from)
);

-- Which price counts for a run of the model that ended then; null: none.
create function price_at(model text, moment timestamptz) returns timestamptz
language sql stable as $$
  select max(valid_from) from prices where model_id = model and valid_from <= moment
$$;

-- Sums of runs that are gone. A day is one of UTC, that on which they ended.
create table usage_days (
  project_id text not null references projects (id),
  day date not null,
  model_id text not null references models (id),
  -- Null: the operator's own key.
  key_id text,
  -- `valid_from` of the price that counts; null: there was none.
  price_from timestamptz(3),
  runs bigint not null,
  -- Of a lost replica: its last acknowledged report counts.
  incomplete_runs bigint not null,
  prompt_tokens bigint not null,
  cached_tokens bigint not null,
  generated_tokens bigint not null,
  run_time_us bigint not null,
  constraint usage_days_row unique nulls not distinct (project_id, day, model_id, key_id, price_from)
);

create index runs_by_end on runs (project_id, finished_at) where finished_at is not null;

-- Whoever deletes a run, and in whatever way: its counts go into the sums with the same commit, and once.
create function fold_deleted_runs() returns trigger language plpgsql as $$
begin
  insert into usage_days (project_id, day, model_id, key_id, price_from, runs, incomplete_runs, prompt_tokens,
    cached_tokens, generated_tokens, run_time_us)
  select gone.project_id, (gone.finished_at at time zone 'UTC')::date as day, deployments.model_id, gone.key_id,
    price_at(deployments.model_id, gone.finished_at) as price_from,
    count(*),
    count(*) filter (where not gone.usage_complete and gone.replica_id is not null),
    sum(gone.prompt_tokens), sum(gone.cached_tokens), sum(gone.generated_tokens),
    sum(coalesce(round(gone.run_time_ms::numeric * 1000), 0))
  from gone join deployments on deployments.id = gone.deployment_id
  where gone.finished_at is not null
  group by 1, 2, 3, 4, 5
  -- One order for all, so that two deletions never wait for each other.
  order by 1, 2, 3, 4, 5
  on conflict on constraint usage_days_row do update set
    runs = usage_days.runs + excluded.runs,
    incomplete_runs = usage_days.incomplete_runs + excluded.incomplete_runs,
    prompt_tokens = usage_days.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = usage_days.cached_tokens + excluded.cached_tokens,
    generated_tokens = usage_days.generated_tokens + excluded.generated_tokens,
    run_time_us = usage_days.run_time_us + excluded.run_time_us;
  return null;
end
$$;
create trigger fold_deleted_runs after delete on runs
  referencing old table as gone for each statement execute function fold_deleted_runs();
