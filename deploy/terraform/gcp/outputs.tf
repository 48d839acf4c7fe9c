output "cluster_name" {
  description = "For scripts/deploy.sh: CLUSTER."
  value       = google_container_cluster.main.name
}

output "kubeconfig_command" {
  description = "Writes the cluster into ~/.kube/config."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.main.name} --zone ${var.zone} --project ${var.project}"
}

output "secret_command" {
  description = "Makes the Secret where External Secrets does not: pipe it into scripts/ci/secret.sh."
  value       = "gcloud secrets versions access latest --secret ${google_secret_manager_secret.main["netra-secrets"].secret_id} --project ${var.project}"
}

output "stores_secret_command" {
  description = "The same of the Secret netra-stores, which ClickHouse in the cluster reads."
  value       = "gcloud secrets versions access latest --secret ${google_secret_manager_secret.main["netra-stores"].secret_id} --project ${var.project}"
}

output "helm_values" {
  description = "Values of deploy/helm/netra that this cloud decides: terraform output -raw helm_values > cloud-values.yaml."
  value = yamlencode({
    environment   = var.environment
    domain        = var.domain
    networkPolicy = { storeCidrs = ["${google_compute_global_address.stores.address}/${google_compute_global_address.stores.prefix_length}"], managedPrometheus = local.managed_prometheus }
    postgresql    = { inCluster = false }
    redis         = { inCluster = false, port = google_redis_instance.main.port }
    clickhouse    = { inCluster = true, ownNodes = true }
  })
}

output "ingress_address" {
  description = "What app.<domain> and api.<domain> point to."
  value       = google_compute_global_address.ingress.address
}

output "postgres_host" {
  description = "The instance that is written to."
  value       = google_sql_database_instance.main.private_ip_address
}

output "postgres_instance" {
  description = "For scripts/ci/backup.sh: POSTGRES_INSTANCE."
  value       = google_sql_database_instance.main.name
}

output "postgres_replica_hosts" {
  description = "Read replicas."
  value       = google_sql_database_instance.replica[*].private_ip_address
}

output "redis_host" {
  description = "The primary of Redis; TLS."
  value       = google_redis_instance.main.host
}

output "backup_bucket" {
  description = "Where scripts/backup.sh writes."
  value       = google_storage_bucket.backups.name
}

output "deploy_account" {
  description = "The account that workflows act as."
  value       = google_service_account.deploy.email
}

output "deploy_identity_provider" {
  description = "For google-github-actions/auth."
  value       = google_iam_workload_identity_pool_provider.github[*].name
}
