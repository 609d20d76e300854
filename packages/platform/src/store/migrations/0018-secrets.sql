-- Secrets of a project. A value is sealed for its own row by a key that is not in the database.

create table secrets (
  id text primary key,
  project_id text not null references projects (id),
  name text not null,
  sealed bytea not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  unique (project_id, name)
);
