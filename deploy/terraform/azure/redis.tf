# Redis: Azure Managed Redis. Its predecessor, Azure Cache for Redis (Premium P1), takes no new
# instances since October 2026.

resource "azurerm_managed_redis" "main" {
  name                      = local.name
  resource_group_name       = azurerm_resource_group.main.name
  location                  = azurerm_resource_group.main.location
  sku_name                  = var.redis_sku
  high_availability_enabled = true
  public_network_access     = "Disabled"
  tags                      = local.tags

  default_database {
    client_protocol = "Encrypted"
    # Celery's transport knows no cluster, and a broker's keys must lie together.
    clustering_policy = "NoCluster"
    # Evicting a broker's keys loses wake-ups and facts: it must refuse writes instead.
    eviction_policy                               = "NoEviction"
    access_keys_authentication_enabled            = true
    persistence_append_only_file_backup_frequency = "1s"
  }
}

resource "azurerm_private_dns_zone" "redis" {
  name                = "privatelink.redis.azure.net"
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "redis" {
  name                = "redis"
  private_dns_zone_id = azurerm_private_dns_zone.redis.id
  virtual_network_id  = azurerm_virtual_network.main.id
}

resource "azurerm_private_endpoint" "redis" {
  name                = "${local.name}-redis"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  subnet_id           = azurerm_subnet.main["endpoints"].id
  tags                = local.tags

  private_service_connection {
    name                           = "redis"
    is_manual_connection           = false
    private_connection_resource_id = azurerm_managed_redis.main.id
    subresource_names              = ["redisEnterprise"]
  }

  private_dns_zone_group {
    name                 = "redis"
    private_dns_zone_ids = [azurerm_private_dns_zone.redis.id]
  }
}
