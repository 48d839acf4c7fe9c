# Passwords are made while an apply runs, set with write-only arguments and forgotten: neither the
# plan nor the state holds them. Raising secrets_version makes and sets new ones (rotation).

ephemeral "random_password" "made" {
  for_each = toset(["postgres", "redis", "clickhouse", "jwt", "api_key"])

  length = 48
  # They stand in URLs.
  special = false
}

locals {
  postgres_password   = ephemeral.random_password.made["postgres"].result
  redis_password      = ephemeral.random_password.made["redis"].result
  clickhouse_password = ephemeral.random_password.made["clickhouse"].result

  clickhouse_host = "clickhouse.${var.domain}"

  # The keys of the cluster's Secret netra-secrets.
  netra_secrets = {
    database-url   = "postgresql://netra:${local.postgres_password}@${aws_db_instance.main.endpoint}/netra?sslmode=require"
    redis-url      = "rediss://:${local.redis_password}@${aws_elasticache_replication_group.main.primary_endpoint_address}:6379/0?ssl_cert_reqs=required"
    clickhouse-url = "https://netra:${local.clickhouse_password}@${local.clickhouse_host}:8123/netra"
    jwt-secret     = ephemeral.random_password.made["jwt"].result
    # Made an API key by the first migration; scripts/deploy.sh tries the API with it.
    bootstrap-api-key = "netra_${ephemeral.random_password.made["api_key"].result}"
  }
}

resource "aws_secretsmanager_secret" "netra" {
  #checkov:skip=CKV2_AWS_57:Rotation is secrets_version, which sets the stores and the secret in one apply; a rotation by Lambda would know only one of them
  name                    = "netra/${var.environment}"
  description             = "database-url, redis-url, clickhouse-url, jwt-secret, bootstrap-api-key of Netra"
  kms_key_id              = aws_kms_key.main.arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "netra" {
  secret_id                = aws_secretsmanager_secret.netra.id
  secret_string_wo         = jsonencode(local.netra_secrets)
  secret_string_wo_version = var.secrets_version
}

# What ClickHouse's nodes read when they start, and every five minutes.
resource "aws_secretsmanager_secret" "clickhouse" {
  #checkov:skip=CKV2_AWS_57:Rotation is secrets_version, as above
  name                    = "netra/${var.environment}/clickhouse"
  description             = "Password of ClickHouse's user netra"
  kms_key_id              = aws_kms_key.main.arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "clickhouse" {
  secret_id                = aws_secretsmanager_secret.clickhouse.id
  secret_string_wo         = local.clickhouse_password
  secret_string_wo_version = var.secrets_version
}
