-- Archives on their way in by S3's protocol, and models under the names that their authors wrote.

create table uploads (
  id text primary key,
  project_id text not null references projects (id),
  -- Of who may send it; null: the operator's key.
  key_id text,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  -- From then on nothing is written to it.
  used_at timestamptz(3)
);
create index uploads_by_expiry on uploads (expires_at);

-- Requests that were carried out, by their signatures: each is taken once.
create table upload_requests (
  signature text primary key,
  upload_id text not null references uploads (id) on delete cascade
);
create index upload_requests_by_upload on upload_requests (upload_id);

-- As its author writes it, where that is not the name.
alter table models add column title text;

-- What the Truss command's watch knows of a development deployment, as it said it.
create table truss_states (
  deployment_id text primary key references deployments (id),
  -- For which hash and signature hold.
  version_id text not null,
  hash text not null,
  signature text not null,
  -- Patches that were staged and are not synced yet: JSON.
  staged text
);
