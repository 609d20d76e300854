-- A version whose code answers by itself has no weights.

alter table versions alter column weights_path drop not null;
alter table versions alter column weights_sha256 drop not null;
