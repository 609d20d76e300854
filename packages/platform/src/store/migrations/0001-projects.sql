-- Projects, keys, models, versions, deployments, replicas and runs.
-- Every table has project_id: another project's rows are never found, so its ids answer 404.
-- Times are kept to the millisecond, as JavaScript reads them: a list's cursor then names a row exactly.

create table projects (
  id text primary key,
  name text not null unique,
  created_at timestamptz(3) not null default now()
);
insert into projects (id, name) values ('default', 'default');

create table api_keys (
  id text primary key,
  project_id text not null references projects (id),
  name text not null,
  -- What a person recognises the key by; the key itself is not kept.
  prefix text not null,
  -- sha256 of the key: keys are 256 random bits, so a slow hash adds nothing.
  hash bytea not null unique,
  scopes text[] not null,
  models text[],
  token_cap bigint,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3),
  revoked_at timestamptz(3)
);
create index api_keys_by_project on api_keys (project_id, created_at, id);

create table models (
  id text primary key,
  project_id text not null references projects (id),
  name text not null,
  -- What `/models/{model}/predict` leads to: the newest deployment that became active.
  production_deployment_id text,
  created_at timestamptz(3) not null default now(),
  -- A deleted model keeps its runs' history; its name is free again.
  deleted_at timestamptz(3)
);
create unique index models_by_name on models (project_id, name) where deleted_at is null;
create index models_by_project on models (project_id, created_at, id);

create table versions (
  id text primary key,
  project_id text not null references projects (id),
  model_id text not null references models (id),
  -- sha256 of the manifest; with model_id it is the version's identity. Rows are never updated.
  digest text not null,
  -- json, not jsonb, here and below: a text in it may hold the character U+0000, which jsonb refuses.
  manifest json not null,
  weights_path text not null,
  weights_sha256 text not null,
  created_at timestamptz(3) not null default now(),
  unique (model_id, digest)
);
create index versions_by_project on versions (project_id, created_at, id);

create table deployments (
  id text primary key,
  project_id text not null references projects (id),
  model_id text not null references models (id),
  version_id text not null references versions (id),
  name text not null,
  -- Further names that lead here: catalogue identifiers.
  identifiers text[] not null default '{}',
  settings json not null,
  desired text not null default 'running' check (desired in ('running', 'stopped')),
  status text not null default 'starting'
    check (status in ('starting', 'active', 'unhealthy', 'failed', 'stopped')),
  status_detail text,
  created_at timestamptz(3) not null default now(),
  deleted_at timestamptz(3)
);
create unique index deployments_by_name on deployments (project_id, name) where deleted_at is null;
create index deployments_by_project on deployments (project_id, created_at, id);

create table replicas (
  id text primary key,
  project_id text not null references projects (id),
  deployment_id text not null references deployments (id),
  -- The platform process that supervises it.
  platform_id text not null,
  pid integer,
  -- Start time of that process as the kernel tells it: with the pid it names one process for ever.
  process_started text,
  address text not null,
  status text not null default 'starting' check (status in ('starting', 'ready', 'draining', 'ended')),
  -- Number of the last report that is committed.
  last_report bigint not null default 0,
  started_at timestamptz(3) not null default now(),
  ended_at timestamptz(3),
  exit_detail text
);
create index replicas_alive on replicas (deployment_id) where status <> 'ended';

create table runs (
  id uuid primary key,
  project_id text not null references projects (id),
  deployment_id text not null references deployments (id),
  replica_id text not null references replicas (id),
  key_id text,
  dialect text not null,
  status text not null check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'expired')),
  finish_reasons text[] not null default '{}',
  -- JSON text as it was answered: nothing here reads into it, and `json` refuses deep nesting.
  output text,
  error json,
  prompt_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  generated_tokens bigint not null default 0,
  -- False where the replica was lost and the last report before that counts.
  usage_complete boolean not null default false,
  timings_ms jsonb,
  run_time_ms double precision,
  created_at timestamptz(3) not null default now(),
  first_token_at timestamptz(3),
  finished_at timestamptz(3)
);
create index runs_by_project on runs (project_id, created_at, id);
create index runs_open on runs (replica_id) where status in ('queued', 'running');
