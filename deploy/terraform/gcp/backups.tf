# Backups (scripts/backup.sh). `netra backup prune` removes after backup_days what nothing younger
# needs; the bucket's own rule comes later, so that it never takes a weekly full backup from under its
# increments.

resource "google_storage_bucket" "backups" {
  name                        = "${var.project}-${local.name}-backups"
  location                    = var.region
  force_destroy               = false
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.main.id
  }

  logging {
    log_bucket = google_storage_bucket.logs.name
  }

  lifecycle_rule {
    condition {
      age = var.backup_days + 8
    }

    action {
      type = "Delete"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.main]
}

resource "google_storage_bucket" "logs" {
  #checkov:skip=CKV_GCP_62:A bucket of logs that logs itself would never end
  name                        = "${var.project}-${local.name}-logs"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      age = 365
    }

    action {
      type = "Delete"
    }
  }
}

resource "google_storage_bucket_iam_member" "logs" {
  bucket = google_storage_bucket.logs.name
  role   = "roles/storage.objectCreator"
  member = "group:cloud-storage-analytics@google.com"
}
