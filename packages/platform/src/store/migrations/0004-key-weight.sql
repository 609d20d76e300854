-- A key's weight among others who want the same replica: 2 gets twice what 1 gets.

alter table api_keys add column weight integer not null default 1 check (weight between 1 and 100);
