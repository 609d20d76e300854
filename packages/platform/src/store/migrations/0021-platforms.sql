-- Platform processes that share this database. Each holds an advisory lock of its id while it lives: see
-- `presence/presence.ts`. A row whose lock is free is of one that ended, or that lost its connection.
create table platforms (
  -- Of its home, for ever.
  id text primary key,
  -- When this process, or the connection that its lock hangs on, began.
  present_since timestamptz(3) not null default now()
);
