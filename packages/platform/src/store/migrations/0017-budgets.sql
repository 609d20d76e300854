-- Budgets of API keys. What a call may take at most is reserved before it begins, so that however many run at a time, in
-- however many platform processes, used and reserved together never exceed the budget.

create table budgets (
  key_id text primary key references api_keys (id),
  project_id text not null references projects (id),
  tokens bigint not null check (tokens > 0),
  period text not null check (period in ('day', 'month', 'total')),
  -- Of the period that `used` counts for.
  period_start timestamptz not null,
  used bigint not null default 0,
  reserved bigint not null default 0 check (reserved >= 0)
);

-- One a run: all that it may take, what its code asks of the model included.
create table budget_reservations (
  run_id uuid primary key,
  key_id text not null references budgets (key_id) on delete cascade,
  replica_id text not null references replicas (id),
  tokens bigint not null
);
create index budget_reservations_by_key on budget_reservations (key_id);
create index budget_reservations_by_replica on budget_reservations (replica_id);

-- Days and months of UTC; a total begins with time itself.
create function budget_period_start(period text, moment timestamptz) returns timestamptz
language sql immutable as $$
  select case period
    when 'total' then 'epoch'::timestamptz
    else date_trunc(period, moment at time zone 'UTC') at time zone 'UTC'
  end
$$;

create function budget_renewal(period text, moment timestamptz) returns timestamptz
language sql immutable as $$
  select case period
    when 'total' then null
    else (date_trunc(period, moment at time zone 'UTC') + ('1 ' || period)::interval) at time zone 'UTC'
  end
$$;

-- Sets what the run has reserved to `wanted` in all, 0 for nothing, where the budget allows it; asking twice is asking
-- once. A key without a budget is granted everything. Locks: the replica, then the budget, as all others do.
create function reserve_budget(run uuid, owner text, replica text, wanted bigint)
returns table (granted boolean, budget bigint, period text, used bigint, reserved bigint, renews_at timestamptz)
language plpgsql as $$
declare
  own budgets;
  held bigint;
  began timestamptz;
begin
  perform from replicas where replicas.id = replica and replicas.status <> 'ended' for share;
  if not found then
    -- Nobody would give it back.
    return query select false, null::bigint, null::text, null::bigint, null::bigint, null::timestamptz;
    return;
  end if;
  select * into own from budgets where budgets.key_id = owner for update;
  if not found then
    return query select true, null::bigint, null::text, null::bigint, null::bigint, null::timestamptz;
    return;
  end if;
  began := budget_period_start(own.period, clock_timestamp());
  if own.period_start < began then
    own.used := 0;
    own.period_start := began;
  end if;
  select tokens into held from budget_reservations where run_id = run and key_id = owner;
  held := coalesce(held, 0);
  if wanted > held and (own.used + own.reserved - held + wanted > own.tokens
      or exists (select from runs where runs.id = run and runs.status not in ('queued', 'running'))) then
    return query select false, own.tokens, own.period, own.used, own.reserved - held,
      budget_renewal(own.period, clock_timestamp());
    return;
  end if;
  if wanted = 0 then
    delete from budget_reservations where run_id = run and key_id = owner;
  else
    insert into budget_reservations (run_id, key_id, replica_id, tokens) values (run, owner, replica, wanted)
    on conflict (run_id) do update set replica_id = excluded.replica_id, tokens = excluded.tokens;
  end if;
  update budgets set used = own.used, period_start = own.period_start, reserved = own.reserved - held + wanted
  where budgets.key_id = owner;
  return query select true, own.tokens, own.period, own.used, own.reserved - held + wanted,
    budget_renewal(own.period, clock_timestamp());
end
$$;

-- Gives back what the run reserved and takes what it, or an attempt of it, used.
create function settle_tokens(run uuid, owner text, tokens bigint) returns void language plpgsql as $$
declare
  own budgets;
  held bigint;
  began timestamptz;
begin
  select * into own from budgets where budgets.key_id = owner for update;
  if not found then
    return;
  end if;
  -- Looked for under the lock: one that was just made is seen.
  delete from budget_reservations where run_id = run and key_id = owner returning budget_reservations.tokens into held;
  began := budget_period_start(own.period, clock_timestamp());
  update budgets set
    used = case when own.period_start < began then 0 else own.used end + settle_tokens.tokens,
    period_start = greatest(own.period_start, began),
    reserved = own.reserved - coalesce(held, 0)
  where key_id = owner;
end
$$;

-- With the commit that ends the run, whoever ends it.
create function settle_budget() returns trigger language plpgsql as $$
begin
  perform settle_tokens(new.id, new.key_id, new.prompt_tokens + new.generated_tokens);
  return null;
end
$$;
create trigger settle_inserted_run after insert on runs for each row
  when (new.key_id is not null and new.status not in ('queued', 'running'))
  execute function settle_budget();
create trigger settle_ended_run after update of status on runs for each row
  when (new.key_id is not null and new.status not in ('queued', 'running') and old.status in ('queued', 'running'))
  execute function settle_budget();

-- An attempt of a queued run that is tried again: what it used stays, in the budget and in the sums of its day. It is no
-- run, so a run counts once however often it is tried. Called by `end_or_retry_run`, with the counts of the attempt.
create function count_attempt(attempt runs) returns void language plpgsql as $$
begin
  perform settle_tokens(attempt.id, attempt.key_id, attempt.prompt_tokens + attempt.generated_tokens);
  if attempt.prompt_tokens = 0 and attempt.generated_tokens = 0 and coalesce(attempt.run_time_ms, 0) = 0 then
    return;
  end if;
  insert into usage_days (project_id, day, model_id, key_id, price_from, runs, incomplete_runs, prompt_tokens,
    cached_tokens, generated_tokens, run_time_us)
  select attempt.project_id, (now() at time zone 'UTC')::date, model_id, attempt.key_id, price_at(model_id, now()),
    0, 0, attempt.prompt_tokens, attempt.cached_tokens, attempt.generated_tokens,
    coalesce(round(attempt.run_time_ms::numeric * 1000), 0)
  from deployments where id = attempt.deployment_id
  on conflict on constraint usage_days_row do update set
    prompt_tokens = usage_days.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = usage_days.cached_tokens + excluded.cached_tokens,
    generated_tokens = usage_days.generated_tokens + excluded.generated_tokens,
    run_time_us = usage_days.run_time_us + excluded.run_time_us;
end
$$;

-- What a replica reserved for calls that it never began is free again when it ends. Runs that it did begin are settled
-- when they end, which is with it.
create function release_reservations() returns trigger language plpgsql as $$
declare
  owner text;
  freed bigint;
begin
  for owner in
    select distinct key_id from budget_reservations where replica_id = new.id order by key_id
  loop
    perform from budgets where key_id = owner for update;
    with gone as (
      delete from budget_reservations where replica_id = new.id and key_id = owner
        and not exists (select from runs where runs.id = run_id and runs.status = 'running')
      returning tokens
    )
    select coalesce(sum(tokens), 0) into freed from gone;
    update budgets set reserved = reserved - freed where key_id = owner;
  end loop;
  return null;
end
$$;
create trigger release_reservations after update of status on replicas for each row
  when (new.status = 'ended' and old.status <> 'ended')
  execute function release_reservations();
