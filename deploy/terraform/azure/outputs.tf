output "cluster_name" {
  description = "For scripts/deploy.sh: CLUSTER."
  value       = azurerm_kubernetes_cluster.main.name
}

output "kubeconfig_command" {
  description = "Writes the cluster into ~/.kube/config."
  value       = "az aks get-credentials --resource-group ${azurerm_resource_group.main.name} --name ${azurerm_kubernetes_cluster.main.name}"
}

output "secret_command" {
  description = "Makes the Secret where External Secrets does not: pipe it into scripts/ci/secret.sh."
  value       = "az keyvault secret show --vault-name ${azurerm_key_vault.main.name} --name ${azurerm_key_vault_secret.main["netra-secrets"].name} --query value --output tsv"
}

output "stores_secret_command" {
  description = "The same of the Secret netra-stores, which ClickHouse in the cluster reads."
  value       = "az keyvault secret show --vault-name ${azurerm_key_vault.main.name} --name ${azurerm_key_vault_secret.main["netra-stores"].name} --query value --output tsv"
}

output "helm_values" {
  description = "Values of deploy/helm/netra that this cloud decides: terraform output -raw helm_values > cloud-values.yaml."
  value = yamlencode({
    environment   = var.environment
    domain        = var.domain
    networkPolicy = { storeCidrs = concat(azurerm_subnet.postgres.address_prefixes, [local.subnets.endpoints]), managedPrometheus = local.managed_prometheus }
    postgresql    = { inCluster = false }
    redis         = { inCluster = false, port = local.redis_port }
    clickhouse    = { inCluster = true, ownNodes = true }
  })
}

output "ingress_address" {
  description = "What app.<domain> and api.<domain> point to."
  value       = azurerm_public_ip.main["ingress"].ip_address
}

output "ingress_internal_address" {
  description = "The loadBalancerIP of the ingress controller's internal Service."
  value       = local.ingress_address
}

output "postgres_host" {
  description = "The server that is written to."
  value       = azurerm_postgresql_flexible_server.main.fqdn
}

output "postgres_instance" {
  description = "For scripts/ci/backup.sh: POSTGRES_INSTANCE."
  value       = azurerm_postgresql_flexible_server.main.name
}

output "postgres_replica_hosts" {
  description = "Read replicas."
  value       = azurerm_postgresql_flexible_server.replica[*].fqdn
}

output "redis_host" {
  description = "Redis; TLS."
  value       = azurerm_managed_redis.main.hostname
}

output "backup_container" {
  description = "What is mounted for scripts/backup.sh to write to."
  value       = azurerm_storage_container.backups.name
}

output "deploy_client_id" {
  description = "For azure/login."
  value       = azurerm_user_assigned_identity.deploy.client_id
}
