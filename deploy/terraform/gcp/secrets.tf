# Passwords are made while an apply runs, set with write-only arguments and forgotten: neither the
# plan nor the state holds them. The one exception is Redis's, which Google makes and the provider
# reads: the state's bucket is encrypted, and who reads it is logged.

ephemeral "random_password" "made" {
  for_each = toset(["postgres", "clickhouse", "jwt", "api_key"])

  length = 48
  # They stand in URLs.
  special = false
}

locals {
  postgres_password   = ephemeral.random_password.made["postgres"].result
  clickhouse_password = ephemeral.random_password.made["clickhouse"].result

  secret_values = {
    # The keys of the cluster's Secret netra-secrets.
    netra-secrets = {
      database-url   = "postgresql://netra:${local.postgres_password}@${google_sql_database_instance.main.private_ip_address}:5432/netra?sslmode=require"
      redis-url      = "rediss://:${google_redis_instance.main.auth_string}@${google_redis_instance.main.host}:${google_redis_instance.main.port}/0?ssl_cert_reqs=none"
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

resource "google_secret_manager_secret" "main" {
  for_each = toset(["netra-secrets", "netra-stores"])

  secret_id = "${local.name}-${each.key}"

  replication {
    user_managed {
      replicas {
        location = var.region

        customer_managed_encryption {
          kms_key_name = google_kms_crypto_key.main.id
        }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.main]
}

resource "google_secret_manager_secret_version" "main" {
  for_each = google_secret_manager_secret.main

  secret                 = each.value.id
  secret_data_wo         = jsonencode(local.secret_values[each.key])
  secret_data_wo_version = var.secrets_version
}
