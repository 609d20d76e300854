-- Deployments that are not in memory: what the last run of each took, and since when somebody wants one loaded.

alter table deployments drop constraint deployments_status_check;
alter table deployments add constraint deployments_status_check
  check (status in ('starting', 'active', 'idle', 'unhealthy', 'failed', 'stopped'));
alter table deployments add column load_ms double precision;
alter table deployments add column resident_bytes bigint;
-- Renewed while calls at another platform process than the one that runs it wait.
alter table deployments add column wanted_at timestamptz(3);
