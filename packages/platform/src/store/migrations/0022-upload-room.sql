-- A signed request is written down before it is carried out, with the room that it takes on disk: of requests that come
-- at the same time one is carried out, and parts that come at the same time are bounded together.

-- False: it is being carried out. A request that failed is forgotten.
alter table upload_requests add column carried_out boolean not null default true;
-- Whoever wrote it down: a write whose answer was lost is done again, and finds itself.
alter table upload_requests add column claim text;
-- Of an upload in parts that was not given up.
alter table upload_requests add column attempt text;
-- Null: none, or the whole archive at once.
alter table upload_requests add column part integer;
-- What it takes on disk.
alter table upload_requests add column bytes bigint not null default 0;
