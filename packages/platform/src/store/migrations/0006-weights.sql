-- Weights that were asked for: what a process of the platform's machine fetches, converts and quantises.

create table weights (
  id text primary key,
  project_id text not null references projects (id),
  -- The platform on whose machine they are.
  platform_id text not null,
  -- As it was asked for.
  source text not null,
  -- The catalogue's, where it was asked for by name.
  identifier text,
  name text not null,
  -- Source and revision without the recipe: what a deployment asks for by name.
  origin text not null,
  -- Names source, revision and recipe by their content; also the directory of what was written.
  content_key text not null,
  -- Source and recipe as the process is given them.
  preparation json not null,
  repository text,
  -- The commit that its branch or tag stood for.
  revision text,
  quantization text,
  status text not null default 'queued'
    check (status in ('queued', 'fetching', 'converting', 'quantizing', 'checking', 'ready', 'failed', 'canceled')),
  -- The state machine's state with its progress.
  state json not null,
  retry_at timestamptz(3),
  pid integer,
  process_started text,
  path text,
  bytes bigint,
  sha256 text,
  created_at timestamptz(3) not null default now(),
  deleted_at timestamptz(3)
);
-- One row for what is asked for under one identity; the same content is prepared once all the same.
create unique index weights_by_key on weights (project_id, platform_id, content_key, coalesce(identifier, ''))
  where deleted_at is null;
create index weights_by_project on weights (project_id, created_at, id);
create index weights_open on weights (platform_id) where deleted_at is null and status not in ('ready', 'failed', 'canceled');

-- Licences that a project accepted, once each.
create table accepted_licenses (
  project_id text not null references projects (id),
  license_id text not null,
  -- Who said so.
  key_id text,
  accepted_at timestamptz(3) not null default now(),
  primary key (project_id, license_id)
);
