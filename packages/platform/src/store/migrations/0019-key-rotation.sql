-- A key gets a new secret, and the one before stays valid for a while; when a key was last used.

alter table api_keys
  add column previous_hash bytea unique,
  add column previous_until timestamptz(3),
  -- At most once a minute and platform process.
  add column last_used_at timestamptz(3),
  add constraint previous_has_an_end check ((previous_hash is null) = (previous_until is null));
