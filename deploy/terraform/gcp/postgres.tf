# PostgreSQL (Cloud SQL): encrypted, in two zones, 30 days of backups and 7 of its log.

resource "google_sql_database_instance" "main" {
  #checkov:skip=CKV_GCP_51:Set in postgres_flags, which the scanner does not look into
  #checkov:skip=CKV_GCP_52:Set in postgres_flags, which the scanner does not look into
  #checkov:skip=CKV_GCP_53:Set in postgres_flags, which the scanner does not look into
  #checkov:skip=CKV_GCP_54:Set in postgres_flags, which the scanner does not look into
  #checkov:skip=CKV_GCP_110:Set in postgres_flags, which the scanner does not look into
  #checkov:skip=CKV_GCP_108:Hostnames of clients are addresses of pods here
  #checkov:skip=CKV_GCP_111:Every statement would be millions of lines an hour; schema changes and slow ones are logged
  #checkov:skip=CKV2_GCP_13:log_duration logs every statement; log_min_duration_statement the slow ones
  #checkov:skip=CKV_GCP_6:ENCRYPTED_ONLY is the successor of the switch that the scanner looks for
  #checkov:skip=CKV_GCP_109:Errors and up, as PostgreSQL's own default
  name                = local.name
  database_version    = "POSTGRES_18"
  region              = var.region
  encryption_key_name = google_kms_crypto_key.main.id
  deletion_protection = true

  settings {
    tier                        = var.postgres.tier
    edition                     = "ENTERPRISE"
    availability_type           = "REGIONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.postgres.storage_gb
    disk_autoresize             = true
    deletion_protection_enabled = true

    location_preference {
      zone = var.zone
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.main.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "03:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.backup_days
      }
    }

    # Sunday 04:00.
    maintenance_window {
      day  = 7
      hour = 4
    }

    insights_config {
      query_insights_enabled = true
    }

    dynamic "database_flags" {
      for_each = local.postgres_flags

      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  depends_on = [google_service_networking_connection.stores, google_kms_crypto_key_iam_member.main]
}

locals {
  postgres_flags = {
    # In pages of 8 kB: 8 GB and 24 GB; in kB: 2 GB and 50 MB.
    shared_buffers             = "1048576"
    effective_cache_size       = "3145728"
    maintenance_work_mem       = "2097152"
    work_mem                   = "51200"
    log_checkpoints            = "on"
    log_connections            = "on"
    log_disconnections         = "on"
    log_lock_waits             = "on"
    log_temp_files             = "0"
    log_statement              = "ddl"
    log_min_duration_statement = "1000"
    "cloudsql.enable_pgaudit"  = "on"
  }
}

resource "google_sql_database_instance" "replica" {
  #checkov:skip=CKV_GCP_6:ENCRYPTED_ONLY is the successor of the switch that the scanner looks for
  #checkov:skip=CKV_GCP_51:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_52:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_53:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_54:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_108:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_109:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_110:A read replica takes its flags from the primary
  #checkov:skip=CKV_GCP_111:A read replica takes its flags from the primary
  #checkov:skip=CKV2_GCP_13:A read replica takes its flags from the primary
  count = var.postgres.read_replicas

  name                 = "${local.name}-replica-${count.index + 1}"
  database_version     = "POSTGRES_18"
  region               = var.region
  master_instance_name = google_sql_database_instance.main.name
  encryption_key_name  = google_kms_crypto_key.main.id
  deletion_protection  = false

  settings {
    tier            = var.postgres.tier
    edition         = "ENTERPRISE"
    disk_type       = "PD_SSD"
    disk_autoresize = true

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.main.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
  }
}

resource "google_sql_database" "netra" {
  name     = "netra"
  instance = google_sql_database_instance.main.name
}

resource "google_sql_user" "netra" {
  name                = "netra"
  instance            = google_sql_database_instance.main.name
  password_wo         = local.postgres_password
  password_wo_version = var.secrets_version
}
