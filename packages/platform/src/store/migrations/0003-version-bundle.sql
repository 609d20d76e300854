-- The directory of a pushed version's files, named by the digest of what was pushed; null: no files were pushed.
-- The version's own digest is another: it covers what its config was resolved to.

alter table versions add column bundle text;
create index versions_by_bundle on versions (bundle);
