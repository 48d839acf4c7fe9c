# One key for everything at rest; Google turns it over every 90 days.

data "google_project" "current" {}

resource "google_kms_key_ring" "main" {
  name     = local.name
  location = var.region
}

resource "google_kms_crypto_key" "main" {
  name            = "main"
  key_ring        = google_kms_key_ring.main.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  number = data.google_project.current.number

  # The services that encrypt with it.
  key_users = {
    nodes    = "service-${local.number}@container-engine-robot.iam.gserviceaccount.com"
    disks    = "service-${local.number}@compute-system.iam.gserviceaccount.com"
    postgres = "service-${local.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    redis    = "service-${local.number}@cloud-redis.iam.gserviceaccount.com"
    storage  = "service-${local.number}@gs-project-accounts.iam.gserviceaccount.com"
    secrets  = "service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
  }
}

resource "google_kms_crypto_key_iam_member" "main" {
  for_each = local.key_users

  crypto_key_id = google_kms_crypto_key.main.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
