-- LoRA adapters: those of a version (name, path and sha256), and those that were added to a deployment.

alter table versions add column adapters jsonb not null default '[]';
-- How often those of a deployment were changed: replicas take the list of the highest number.
alter table deployments add column adapters_revision bigint not null default 0;

create table adapters (
  deployment_id text not null references deployments (id),
  project_id text not null references projects (id),
  name text not null,
  source text not null,
  path text not null,
  sha256 text not null,
  created_at timestamptz(3) not null default now(),
  primary key (deployment_id, name)
);
create index adapters_by_project on adapters (project_id);
