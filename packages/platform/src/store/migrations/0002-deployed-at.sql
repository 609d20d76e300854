-- When a deployment was last asked for: of a model's active ones, the newest by it answers the model's name.

alter table deployments add column deployed_at timestamptz(3) not null default now();
update deployments set deployed_at = created_at;
