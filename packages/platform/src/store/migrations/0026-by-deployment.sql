-- Whoever removes a deployment or its replicas asks for what still refers to them, once a row: without these, of all runs.
create index runs_by_deployment on runs (deployment_id);
create index runs_by_replica on runs (replica_id);
create index replicas_by_deployment on replicas (deployment_id);
