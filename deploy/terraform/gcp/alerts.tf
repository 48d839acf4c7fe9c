# Who did what (audit log), and what tells a person. Netra's own alerts are Prometheus's
# (deploy/monitoring).

resource "google_project_iam_audit_config" "main" {
  project = var.project
  service = "allServices"

  audit_log_config {
    log_type = "ADMIN_READ"
  }

  audit_log_config {
    log_type = "DATA_READ"
  }

  audit_log_config {
    log_type = "DATA_WRITE"
  }
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "${local.name} on call"
  type         = "email"
  labels       = { email_address = var.alarm_email }
}

locals {
  alarms = {
    postgres-disk = {
      filter    = "resource.type = \"cloudsql_database\" AND metric.type = \"cloudsql.googleapis.com/database/disk/utilization\""
      threshold = 0.9
    }
    postgres-cpu = {
      filter    = "resource.type = \"cloudsql_database\" AND metric.type = \"cloudsql.googleapis.com/database/cpu/utilization\""
      threshold = 0.85
    }
    redis-memory = {
      filter    = "resource.type = \"redis_instance\" AND metric.type = \"redis.googleapis.com/stats/memory/usage_ratio\""
      threshold = 0.75
    }
    # noeviction: any eviction means that somebody changed it.
    redis-evictions = {
      filter    = "resource.type = \"redis_instance\" AND metric.type = \"redis.googleapis.com/stats/evicted_keys\""
      threshold = 0
    }
  }
}

resource "google_monitoring_alert_policy" "store" {
  for_each = local.alarms

  display_name          = "${local.name}-${each.key}"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = each.key

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = "900s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
}
