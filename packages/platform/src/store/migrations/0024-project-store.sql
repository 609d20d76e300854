-- False: of a project's runs counts and timings are kept, outputs only where a call asks for it.
alter table projects add column stores_runs boolean not null default true;
