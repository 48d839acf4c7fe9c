# Who did what (audit log), what tells a person, and Defender's look for intrusions. Netra's own
# alerts are Prometheus's (deploy/monitoring).

resource "azurerm_log_analytics_workspace" "main" {
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  sku                 = "PerGB2018"
  retention_in_days   = 365
  tags                = local.tags
}

locals {
  audited = {
    cluster = { id = azurerm_kubernetes_cluster.main.id, logs = ["kube-audit-admin", "kube-apiserver", "guard"] }
    vault   = { id = azurerm_key_vault.main.id, logs = ["AuditEvent"] }
    ingress = { id = azurerm_application_gateway.main.id, logs = ["ApplicationGatewayAccessLog", "ApplicationGatewayFirewallLog"] }
    backups = { id = "${azurerm_storage_account.backups.id}/blobServices/default", logs = ["StorageRead", "StorageWrite", "StorageDelete"] }
  }
}

resource "azurerm_monitor_diagnostic_setting" "audit" {
  for_each = local.audited

  name                       = "audit"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  dynamic "enabled_log" {
    for_each = each.value.logs

    content {
      category = enabled_log.value
    }
  }
}

resource "azurerm_security_center_subscription_pricing" "defender" {
  for_each = toset(["Containers", "KeyVaults", "StorageAccounts", "OpenSourceRelationalDatabases"])

  tier          = "Standard"
  resource_type = each.key
}

resource "azurerm_monitor_action_group" "alarms" {
  name                = "${local.name}-alarms"
  resource_group_name = azurerm_resource_group.main.name
  short_name          = "netra"
  tags                = local.tags

  email_receiver {
    name          = "on-call"
    email_address = var.alarm_email
  }
}

locals {
  alarms = {
    postgres-disk = {
      scope  = azurerm_postgresql_flexible_server.main.id, namespace = "Microsoft.DBforPostgreSQL/flexibleServers"
      metric = "storage_percent", aggregation = "Maximum", threshold = 90
    }
    postgres-cpu = {
      scope  = azurerm_postgresql_flexible_server.main.id, namespace = "Microsoft.DBforPostgreSQL/flexibleServers"
      metric = "cpu_percent", aggregation = "Average", threshold = 85
    }
    redis-memory = {
      scope  = azurerm_managed_redis.main.id, namespace = "Microsoft.Cache/redisEnterprise"
      metric = "usedmemorypercentage", aggregation = "Maximum", threshold = 75
    }
    # NoEviction: any eviction means that somebody changed it.
    redis-evictions = {
      scope  = azurerm_managed_redis.main.id, namespace = "Microsoft.Cache/redisEnterprise"
      metric = "evictedkeys", aggregation = "Total", threshold = 0
    }
  }
}

resource "azurerm_monitor_metric_alert" "store" {
  for_each = local.alarms

  name                = "${local.name}-${each.key}"
  resource_group_name = azurerm_resource_group.main.name
  scopes              = [each.value.scope]
  frequency           = "PT5M"
  window_size         = "PT15M"
  severity            = 1
  tags                = local.tags

  criteria {
    metric_namespace = each.value.namespace
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = "GreaterThan"
    threshold        = each.value.threshold
  }

  action {
    action_group_id = azurerm_monitor_action_group.alarms.id
  }
}

# Anomalies: refused requests outside of the band that their own history draws.
resource "azurerm_monitor_metric_alert" "anomaly" {
  name                = "${local.name}-anomaly-failed"
  resource_group_name = azurerm_resource_group.main.name
  scopes              = [azurerm_application_gateway.main.id]
  frequency           = "PT5M"
  window_size         = "PT15M"
  severity            = 2
  tags                = local.tags

  dynamic_criteria {
    metric_namespace  = "Microsoft.Network/applicationGateways"
    metric_name       = "FailedRequests"
    aggregation       = "Total"
    operator          = "GreaterThan"
    alert_sensitivity = "Medium"
  }

  action {
    action_group_id = azurerm_monitor_action_group.alarms.id
  }
}
