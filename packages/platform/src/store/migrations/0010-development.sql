-- Development deployments, of which a model has at most one, and the versions that patches of them made.

alter table deployments add column development boolean not null default false;
create unique index deployments_development on deployments (model_id) where development and deleted_at is null;
-- Nobody pushed it: once no deployment has it, it is forgotten.
alter table versions add column patched boolean not null default false;
