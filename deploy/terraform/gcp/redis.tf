# Redis (Memorystore): a primary and two replicas. Not its cluster form: Celery's transport knows no
# cluster, and a broker's keys must lie together.

resource "google_redis_instance" "main" {
  name           = local.name
  tier           = "STANDARD_HA"
  memory_size_gb = var.redis_memory_gb
  redis_version  = "REDIS_7_2"
  region         = var.region
  location_id    = var.zone

  replica_count      = 2
  read_replicas_mode = "READ_REPLICAS_ENABLED"

  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  authorized_network      = google_compute_network.main.id
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"
  customer_managed_key    = google_kms_crypto_key.main.id

  # Evicting a broker's keys loses wake-ups and facts: it must refuse writes instead.
  redis_configs = {
    maxmemory-policy = "noeviction"
  }

  persistence_config {
    persistence_mode    = "RDB"
    rdb_snapshot_period = "ONE_HOUR"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"

      start_time {
        hours   = 5
        minutes = 0
      }
    }
  }

  depends_on = [google_service_networking_connection.stores, google_kms_crypto_key_iam_member.main]
}
