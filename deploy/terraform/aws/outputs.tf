output "cluster_name" {
  description = "For scripts/deploy.sh: CLUSTER."
  value       = aws_eks_cluster.main.name
}

output "kubeconfig_command" {
  description = "Writes the cluster into ~/.kube/config."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.main.name}"
}

output "secret_name" {
  description = "In Secrets Manager: database-url, redis-url, clickhouse-url, jwt-secret and bootstrap-api-key of the Secret netra-secrets."
  value       = aws_secretsmanager_secret.netra.name
}

output "secret_command" {
  description = "Makes the Secret where External Secrets does not: pipe it into scripts/ci/secret.sh."
  value       = "aws secretsmanager get-secret-value --region ${var.region} --secret-id ${aws_secretsmanager_secret.netra.name} --query SecretString --output text"
}

output "helm_values" {
  description = "Values of deploy/helm/netra that this cloud decides: terraform output -raw helm_values > cloud-values.yaml."
  value = yamlencode({
    environment   = var.environment
    domain        = var.domain
    networkPolicy = { storeCidrs = local.private_cidrs }
    postgresql    = { inCluster = false }
    redis         = { inCluster = false }
    clickhouse    = { inCluster = false }
  })
}

output "postgres_host" {
  description = "The instance that is written to."
  value       = aws_db_instance.main.address
}

output "postgres_instance" {
  description = "For scripts/ci/backup.sh: POSTGRES_INSTANCE."
  value       = aws_db_instance.main.identifier
}

output "postgres_arn" {
  description = "What dr's postgres_source_arn is set to."
  value       = aws_db_instance.main.arn
}

output "postgres_replica_hosts" {
  description = "Read replicas."
  value       = aws_db_instance.replica[*].address
}

output "redis_host" {
  description = "The primary of Redis; TLS."
  value       = aws_elasticache_replication_group.main.primary_endpoint_address
}

output "clickhouse_host" {
  description = "ClickHouse over HTTPS, port 8123."
  value       = local.clickhouse_host
}

output "backup_bucket" {
  description = "Where scripts/backup.sh writes."
  value       = aws_s3_bucket.backups.bucket
}

output "backup_copy_bucket" {
  description = "Where the other region restores from."
  value       = aws_s3_bucket.copy.bucket
}

output "backup_copy_bucket_arn" {
  description = "What dr's restore_bucket_arn is set to."
  value       = aws_s3_bucket.copy.arn
}

output "backup_copy_key_arn" {
  description = "What dr's restore_key_arn is set to."
  value       = aws_kms_key.copy.arn
}

output "deploy_role_arns" {
  description = "Roles of workflows and pipelines, by which of the two it is."
  value       = { for k, role in aws_iam_role.deployer : k => role.arn }
}

output "ingress_node_port" {
  description = "The ingress controller's HTTPS node port."
  value       = local.ingress_node_port
}
