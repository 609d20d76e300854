-- How many results were given up is counted with every scrape of the metrics.
create index deliveries_dead on deliveries (run_id) where status = 'dead';
