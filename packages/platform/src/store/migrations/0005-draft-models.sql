-- Name, path and sha256 of the weights of a version's draft models.

alter table versions add column draft_models jsonb not null default '[]';
