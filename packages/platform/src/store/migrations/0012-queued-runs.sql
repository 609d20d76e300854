-- Runs that wait in the queue: accepted at once, carried out later, by whichever platform process takes them.

-- No replica has it yet.
alter table runs alter column replica_id drop not null;
-- Answered at once with its id; what it computes is read later, or sent to a webhook.
alter table runs add column asynchronous boolean not null default false;
-- How often a replica was given it.
alter table runs add column attempt integer not null default 0;
-- Where its result goes: see `WebhookTarget`; null: nowhere.
alter table runs add column webhook json;
-- False: counts and timings are kept, input and output are not.
alter table runs add column stored boolean not null default true;

create table queue (
  run_id uuid primary key references runs (id) on delete cascade,
  project_id text not null references projects (id),
  deployment_id text not null references deployments (id),
  -- 0 first.
  priority smallint not null default 1,
  -- The call as its caller sent it.
  path text not null,
  headers json not null,
  body bytea not null,
  -- When it may be taken, and until when it may wait.
  available_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  -- Attempts, and the pauses between them: `max_attempts`, `initial_delay_ms`, `max_delay_ms`.
  retry json not null,
  -- Who carries it out, and until when that counts without a sign of life.
  platform_id text,
  leased_until timestamptz(3),
  -- Grows with each lease: who holds an older one writes nothing.
  fence bigint not null default 0
);
create index queue_waiting on queue (priority, available_at, run_id) where leased_until is null;
create index queue_leased on queue (leased_until) where leased_until is not null;
create index queue_by_deployment on queue (deployment_id);
