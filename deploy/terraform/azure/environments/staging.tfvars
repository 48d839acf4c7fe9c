# Staging: the same things, scaled down.
environment = "staging"
domain      = "staging.netra.example.com"
alarm_email = "oncall@netra.example.com"
redis_sku   = "Balanced_B3"
backup_days = 7

store_nodes = {
  vm_size = "Standard_D4s_v5"
  count   = 1
  disk_gb = 100
}

postgres = {
  sku_name      = "GP_Standard_D2ds_v5"
  storage_mb    = 131072
  read_replicas = 0
}
