-- Results on their way to webhooks. A run that ends leaves its delivery behind in the same transaction, whoever ends it.

-- The value of Cerebrium's X-Webhook-Secret, sealed; null: none was sent.
alter table runs add column webhook_secret bytea;

create table deliveries (
  -- The receiver knows it as webhook-id: the same at every attempt, and when it is sent again.
  id uuid primary key default gen_random_uuid(),
  run_id uuid not null unique references runs (id) on delete cascade,
  project_id text not null references projects (id),
  url text not null,
  -- Scheme, host and port: what is slow or dead is this.
  origin text not null generated always as (coalesce(substring(url from '^[^/]*//[^/?#]*'), '')) stored,
  dialect text not null,
  status text not null check (status in ('pending', 'succeeded', 'dead', 'canceled')),
  -- Begun since it was last asked for.
  attempts integer not null default 0,
  -- When the next attempt may begin; null: there is none.
  next_attempt_at timestamptz(3),
  -- Undelivered by then, it is dead.
  expires_at timestamptz(3) not null,
  -- Who sends it now, and until when that counts.
  platform_id text,
  leased_until timestamptz(3),
  -- Grows with each lease: who holds an older one writes nothing.
  fence bigint not null default 0,
  -- What the last attempt came to.
  last_status integer,
  last_error text,
  created_at timestamptz(3) not null default now(),
  finished_at timestamptz(3),
  check ((status = 'pending') = (next_attempt_at is not null))
);
create index deliveries_due on deliveries (next_attempt_at, id) where status = 'pending';
create index deliveries_expiring on deliveries (expires_at) where status = 'pending';
create index deliveries_by_project on deliveries (project_id, created_at desc, id desc);

create function write_delivery() returns trigger language plpgsql as $$
begin
  -- Baseten sends nothing for what its caller canceled. It can still be asked for.
  insert into deliveries (run_id, project_id, url, dialect, status, next_attempt_at, expires_at, finished_at)
  select new.id, new.project_id, new.webhook ->> 'url', dialect,
    case when is_canceled then 'canceled' else 'pending' end,
    case when is_canceled then null else now() end,
    now() + interval '24 hours',
    case when is_canceled then now() end
  from (select coalesce(new.webhook ->> 'dialect', new.dialect) as dialect) as target,
    lateral (select dialect = 'baseten' and new.status = 'canceled' as is_canceled) as fate
  on conflict (run_id) do nothing;
  return null;
end
$$;
create trigger runs_inserted_ended after insert on runs for each row
  when (new.webhook ->> 'url' is not null and new.status not in ('queued', 'running'))
  execute function write_delivery();
create trigger runs_ended after update of status on runs for each row
  when (new.webhook ->> 'url' is not null and old.status in ('queued', 'running') and new.status not in ('queued', 'running'))
  execute function write_delivery();

-- One a project, made when it is first needed; sealed.
create table webhook_secrets (
  project_id text primary key references projects (id),
  secret bytea not null,
  -- Signs beside it until then.
  previous bytea,
  previous_until timestamptz(3),
  created_at timestamptz(3) not null default now(),
  rotated_at timestamptz(3)
);
