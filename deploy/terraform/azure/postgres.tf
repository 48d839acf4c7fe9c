# PostgreSQL (Flexible Server, which follows the single server): private, in two zones, 30 days of
# backups that a second region has too.

resource "azurerm_private_dns_zone" "postgres" {
  name                = "${local.name}.private.postgres.database.azure.com"
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "postgres" {
  name                = "postgres"
  private_dns_zone_id = azurerm_private_dns_zone.postgres.id
  virtual_network_id  = azurerm_virtual_network.main.id
}

resource "azurerm_postgresql_flexible_server" "main" {
  #checkov:skip=CKV2_AZURE_57:It stands in a delegated subnet, which is private
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  version             = "18"
  sku_name            = var.postgres.sku_name
  storage_mb          = var.postgres.storage_mb
  zone                = "1"
  tags                = local.tags

  administrator_login               = "netra"
  administrator_password_wo         = local.postgres_password
  administrator_password_wo_version = var.secrets_version

  delegated_subnet_id           = azurerm_subnet.postgres.id
  private_dns_zone_id           = azurerm_private_dns_zone.postgres.id
  public_network_access_enabled = false

  auto_grow_enabled            = true
  backup_retention_days        = var.backup_days
  geo_redundant_backup_enabled = true

  high_availability {
    mode                      = "ZoneRedundant"
    standby_availability_zone = "2"
  }

  # Sunday 04:00.
  maintenance_window {
    day_of_week  = 0
    start_hour   = 4
    start_minute = 0
  }

  depends_on = [azurerm_private_dns_zone_virtual_network_link.postgres]
}

locals {
  postgres_settings = {
    require_secure_transport = "on"
    # In pages of 8 kB; a server of 8 GB takes a quarter and three quarters of its memory.
    shared_buffers             = "262144"
    effective_cache_size       = "786432"
    maintenance_work_mem       = "524288"
    work_mem                   = "51200"
    log_checkpoints            = "on"
    log_statement              = "ddl"
    log_min_duration_statement = "1000"
  }
}

resource "azurerm_postgresql_flexible_server_configuration" "main" {
  for_each = local.postgres_settings

  name      = each.key
  server_id = azurerm_postgresql_flexible_server.main.id
  value     = each.value
}

resource "azurerm_postgresql_flexible_server_database" "netra" {
  name      = "netra"
  server_id = azurerm_postgresql_flexible_server.main.id
}

resource "azurerm_postgresql_flexible_server" "replica" {
  #checkov:skip=CKV2_AZURE_57:It stands in a delegated subnet, which is private
  count = var.postgres.read_replicas

  name                = "${local.name}-replica-${count.index + 1}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  create_mode         = "Replica"
  source_server_id    = azurerm_postgresql_flexible_server.main.id
  sku_name            = var.postgres.sku_name
  storage_mb          = var.postgres.storage_mb
  tags                = local.tags

  delegated_subnet_id           = azurerm_subnet.postgres.id
  private_dns_zone_id           = azurerm_private_dns_zone.postgres.id
  public_network_access_enabled = false
}
