# Staging: the same things, scaled down.
environment     = "staging"
project         = "netra-staging"
domain          = "staging.netra.example.com"
alarm_email     = "oncall@netra.example.com"
redis_memory_gb = 5
backup_days     = 7

store_nodes = {
  machine_type = "n2-standard-4"
  count        = 1
  disk_gb      = 100
}

postgres = {
  tier          = "db-custom-2-8192"
  storage_gb    = 100
  read_replicas = 0
}
