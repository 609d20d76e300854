-- The key that made it; null: the operator did, or it is older than this column.
alter table api_keys add column made_by text;
