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
-- Somebody asked for its end, and whoever carries it out has not ended it yet.
alter table runs add column cancel_requested_at timestamptz(3);
-- What ended the last attempt may not meet the next one: see `mayBeRetried` in `runs/run-state.ts`.
alter table runs add column may_retry boolean not null default false;
create index runs_canceling on runs (replica_id) where cancel_requested_at is not null and status = 'running';
create index runs_waiting on runs (deployment_id) where asynchronous and status in ('queued', 'running');
-- Runs whose callers wait and that no replica has begun with: few, and looked at by each sweep.
create index runs_expected on runs (created_at) where not asynchronous and status = 'queued';

create table queue (
  run_id uuid primary key references runs (id) on delete cascade,
  project_id text not null references projects (id),
  deployment_id text not null references deployments (id),
  -- 0 first.
  priority smallint not null default 1,
  -- The call as its caller sent it; without keys, cookies and what the gateway says itself.
  path text not null,
  headers json not null,
  body bytea not null,
  -- Its answer has nothing of the family's around it.
  is_bare boolean not null default false,
  -- When it may be taken, and until when it may wait. Not rounded: what is put in now may be taken now.
  available_at timestamptz not null,
  expires_at timestamptz not null,
  -- How long it may wait for each attempt.
  queue_seconds integer not null default 43200,
  -- The pause after an attempt is twice the one before, at most the last of these.
  max_attempts smallint not null,
  initial_delay_ms integer not null,
  max_delay_ms integer not null,
  -- Who carries it out, and until when that counts without a sign of life.
  platform_id text,
  leased_until timestamptz,
  -- Grows with each lease: who holds an older one writes nothing.
  fence bigint not null default 0
);
create index queue_waiting on queue (priority, available_at, run_id) where leased_until is null;
create index queue_leased on queue (leased_until) where leased_until is not null;
create index queue_by_deployment on queue (deployment_id);
create index queue_by_project on queue (project_id);
create index queue_expiring on queue (expires_at);

-- The end of a queued run, whoever writes it: it is tried again where that is allowed, else it leaves the queue.
-- It mirrors `ended` in `runs/run-state.ts`.
create function end_or_retry_run() returns trigger language plpgsql as $$
declare
  waiting queue%rowtype;
  next_at timestamptz;
begin
  select * into waiting from queue where run_id = new.id for update;
  if not found then
    return new;
  end if;
  if new.may_retry and new.status <> 'succeeded' then
    if new.cancel_requested_at is not null then
      new.status := 'canceled';
      new.error := '{"code":"aborted","detail":"The run was canceled."}';
    else
      next_at := now() + interval '1 millisecond'
        * least(waiting.max_delay_ms::double precision, waiting.initial_delay_ms * power(2.0, greatest(0, new.attempt - 1)));
      if new.attempt < waiting.max_attempts then
        -- What the failed attempt used counts at once, the run itself when it ends; its error stays until then.
        perform count_attempt(new);
        new.status := 'queued';
        new.replica_id := null;
        new.finish_reasons := '{}';
        new.output := null;
        new.prompt_tokens := 0;
        new.cached_tokens := 0;
        new.generated_tokens := 0;
        new.usage_complete := false;
        new.timings_ms := null;
        new.run_time_ms := null;
        new.first_token_at := null;
        new.finished_at := null;
        new.may_retry := false;
        -- The time that the failed attempt took is no waiting.
        update queue set available_at = next_at, expires_at = next_at + waiting.queue_seconds * interval '1 second',
          platform_id = null, leased_until = null, fence = fence + 1
        where run_id = new.id;
        return new;
      end if;
      -- Nobody is there who could have left: the process that carried it out ended.
      if new.status = 'canceled' then
        new.status := 'failed';
        new.error := '{"code":"replica_lost","detail":"The process that carried the run out ended before the run did."}';
      end if;
    end if;
  end if;
  delete from queue where run_id = new.id;
  return new;
end
$$;
create trigger queued_run_ends before update of status on runs for each row
  when (old.asynchronous and old.status in ('queued', 'running') and new.status not in ('queued', 'running'))
  execute function end_or_retry_run();
