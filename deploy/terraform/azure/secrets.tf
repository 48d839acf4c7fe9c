# Passwords are made while an apply runs, set with write-only arguments and forgotten: neither the
# plan nor the state holds them. The one exception is Redis's key, which Azure makes and the provider
# reads: the state's container is encrypted, and who reads it is logged.

ephemeral "random_password" "made" {
  for_each = toset(["postgres", "clickhouse", "jwt", "api_key"])

  length = 48
  # They stand in URLs.
  special = false
}

locals {
  postgres_password   = ephemeral.random_password.made["postgres"].result
  clickhouse_password = ephemeral.random_password.made["clickhouse"].result

  redis_port = azurerm_managed_redis.main.default_database[0].port

  secret_values = {
    # The keys of the cluster's Secret netra-secrets.
    netra-secrets = {
      database-url   = "postgresql://netra:${local.postgres_password}@${azurerm_postgresql_flexible_server.main.fqdn}:5432/netra?sslmode=require"
      redis-url      = "rediss://:${urlencode(azurerm_managed_redis.main.default_database[0].primary_access_key)}@${azurerm_managed_redis.main.hostname}:${local.redis_port}/0?ssl_cert_reqs=required"
      clickhouse-url = "http://netra:${local.clickhouse_password}@netra-clickhouse:8123/netra"
      jwt-secret     = ephemeral.random_password.made["jwt"].result
      # Made an API key by the first migration; scripts/deploy.sh tries the API with it.
      bootstrap-api-key = "netra_${ephemeral.random_password.made["api_key"].result}"
    }
    # ClickHouse runs in the cluster here (deploy/helm/netra).
    netra-stores = {
      clickhouse-password = local.clickhouse_password
    }
  }
}

resource "azurerm_key_vault" "main" {
  name                          = local.name
  resource_group_name           = azurerm_resource_group.main.name
  location                      = azurerm_resource_group.main.location
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "premium"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false
  tags                          = local.tags

  network_acls {
    bypass         = "AzureServices"
    default_action = "Deny"
  }
}

resource "azurerm_private_dns_zone" "vault" {
  name                = "privatelink.vaultcore.azure.net"
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "vault" {
  name                = "vault"
  private_dns_zone_id = azurerm_private_dns_zone.vault.id
  virtual_network_id  = azurerm_virtual_network.main.id
}

resource "azurerm_private_endpoint" "vault" {
  name                = "${local.name}-vault"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  subnet_id           = azurerm_subnet.main["endpoints"].id
  tags                = local.tags

  private_service_connection {
    name                           = "vault"
    is_manual_connection           = false
    private_connection_resource_id = azurerm_key_vault.main.id
    subresource_names              = ["vault"]
  }

  private_dns_zone_group {
    name                 = "vault"
    private_dns_zone_ids = [azurerm_private_dns_zone.vault.id]
  }
}

resource "azurerm_key_vault_secret" "main" {
  for_each = toset(["netra-secrets", "netra-stores"])

  name             = each.key
  key_vault_id     = azurerm_key_vault.main.id
  content_type     = "application/json"
  expiration_date  = var.secrets_expire
  value_wo         = jsonencode(local.secret_values[each.key])
  value_wo_version = var.secrets_version
  tags             = local.tags

  depends_on = [azurerm_private_endpoint.vault]
}
