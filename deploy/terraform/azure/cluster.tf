# AKS with two node pools and the monitoring add-on. Cilium enforces NetworkPolicies.

locals {
  # The standby is production's, once it is activated.
  namespace = var.environment == "dr" ? "netra-production" : "netra-${var.environment}"

  # The agent of Azure Monitor, which scrapes pods.
  managed_prometheus = [{ namespace = "kube-system", labels = { "rsName" = "ama-metrics" } }]
}

resource "azurerm_kubernetes_cluster" "main" {
  #checkov:skip=CKV_AZURE_117:Disks are encrypted on the host, and at rest by Azure's key
  #checkov:skip=CKV_AZURE_226:An ephemeral disk of 100 GB does not fit the cache of the size used
  #checkov:skip=CKV_AZURE_232:One pool runs system and API; two would stand half idle at three nodes
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  dns_prefix          = local.name
  kubernetes_version  = var.kubernetes_version
  sku_tier            = "Standard"
  tags                = local.tags

  private_cluster_enabled           = true
  local_account_disabled            = true
  role_based_access_control_enabled = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  azure_policy_enabled              = true
  automatic_upgrade_channel         = "patch"
  node_os_upgrade_channel           = "SecurityPatch"
  image_cleaner_enabled             = true
  image_cleaner_interval_hours      = 48

  identity {
    type = "SystemAssigned"
  }

  # Nodes come from the pools below, in the sizes said there.
  node_provisioning_profile {
    mode = "Manual"
  }

  default_node_pool {
    name                    = "cpu"
    vm_size                 = var.cpu_nodes.vm_size
    auto_scaling_enabled    = true
    min_count               = var.cpu_nodes.min
    max_count               = var.cpu_nodes.max
    os_disk_size_gb         = var.cpu_nodes.disk_gb
    vnet_subnet_id          = azurerm_subnet.main["nodes"].id
    host_encryption_enabled = true
    zones                   = ["1", "2", "3"]
    max_pods                = 110
    node_labels             = { "netra/pool" = "cpu" }
  }

  # Their members sign in through Entra ID, which asks for a second factor.
  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = var.admin_group_ids
    tenant_id              = data.azurerm_client_config.current.tenant_id
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_policy      = "cilium"
    network_data_plane  = "cilium"
    outbound_type       = "userAssignedNATGateway"
    pod_cidr            = "10.4.0.0/14"
    service_cidr        = "10.8.0.0/20"
    dns_service_ip      = "10.8.0.10"
  }

  # The monitoring add-on.
  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.main.id
    msi_auth_for_monitoring_enabled = true
  }

  monitor_metrics {}

  microsoft_defender {
    log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id
  }

  key_vault_secrets_provider {
    secret_rotation_enabled = true
  }

  # Backups are written to a mounted container.
  storage_profile {
    blob_driver_enabled = true
    disk_driver_enabled = true
  }

  workload_autoscaler_profile {
    keda_enabled = true
  }

  depends_on = [azurerm_subnet_nat_gateway_association.nodes]
}

# ClickHouse wants more memory than the other pods, and neighbours that take none of it. Its disk lies
# in one zone, so its node does.
resource "azurerm_kubernetes_cluster_node_pool" "stores" {
  name                    = "stores"
  kubernetes_cluster_id   = azurerm_kubernetes_cluster.main.id
  vm_size                 = var.store_nodes.vm_size
  node_count              = var.store_nodes.count
  os_disk_size_gb         = var.store_nodes.disk_gb
  vnet_subnet_id          = azurerm_subnet.main["nodes"].id
  host_encryption_enabled = true
  max_pods                = 110
  zones                   = ["1"]

  # What the chart selects and tolerates: clickhouse.ownNodes.
  node_labels = { "netra/stores" = "true" }
  node_taints = ["netra/stores=present:NoSchedule"]

  tags = local.tags
}

resource "azurerm_kubernetes_cluster_node_pool" "gpu" {
  name                    = "gpu"
  kubernetes_cluster_id   = azurerm_kubernetes_cluster.main.id
  vm_size                 = var.gpu_nodes.vm_size
  auto_scaling_enabled    = true
  min_count               = var.gpu_nodes.min
  max_count               = var.gpu_nodes.max
  os_disk_size_gb         = var.gpu_nodes.disk_gb
  vnet_subnet_id          = azurerm_subnet.main["nodes"].id
  host_encryption_enabled = true
  max_pods                = 110

  # What the chart's gpu workers select and tolerate.
  node_labels = { "netra/pool" = "gpu", "nvidia.com/gpu.present" = "true" }
  node_taints = ["nvidia.com/gpu=present:NoSchedule"]

  tags = local.tags
}

# The cluster places the ingress controller's internal load balancer in the network.
resource "azurerm_role_assignment" "network" {
  scope                = azurerm_virtual_network.main.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_kubernetes_cluster.main.identity[0].principal_id
}
