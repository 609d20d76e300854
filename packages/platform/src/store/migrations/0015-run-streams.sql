-- What a run's readers see of it while it runs and afterwards: its text as it came, what it was set to, its answer.

-- UTF-16 code units of the text that its last attempt has given so far; null: its text is not kept piece by piece.
alter table runs add column text_length integer;
-- What the generation was set to, by wire names.
alter table runs add column parameters json;

create table run_texts (
  run_id uuid not null references runs (id) on delete cascade,
  attempt integer not null,
  -- Where it begins in the text of its attempt, and how long it is, in UTF-16 code units.
  at_offset integer not null,
  length integer not null,
  -- JSON: a list of [prompt, sequence, text]. Text as it is may hold U+0000, which `text` cannot.
  pieces text not null,
  primary key (run_id, attempt, at_offset)
);

-- Answers that the same call is answered with again.
create table run_answers (
  run_id uuid primary key references runs (id) on delete cascade,
  status smallint not null,
  content_type text not null,
  body bytea not null
);

-- Calls that their callers gave a key, so that none is carried out twice.
create table idempotency_keys (
  project_id text not null references projects (id),
  -- Whose key it is: two callers may choose the same. '': the operator's.
  key_id text not null,
  key text not null,
  -- sha256 of what was asked: route, media type and body.
  digest bytea not null,
  run_id uuid not null,
  -- Who carries it out, and until when that counts without a sign of life.
  platform_id text not null,
  leased_until timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  primary key (project_id, key_id, key)
);
create index idempotency_keys_by_end on idempotency_keys (expires_at);

create index runs_by_status on runs (project_id, status, created_at, id) where status in ('queued', 'running', 'failed');
create index runs_by_key on runs (project_id, key_id, created_at, id);
