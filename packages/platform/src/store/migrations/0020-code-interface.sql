-- What the code of a version takes and gives, as it said when it was loaded last; null: it has not been loaded.

alter table versions add column code_interface jsonb;
