bucket             = "netra-production-terraform-state"
kms_encryption_key = "projects/netra-production/locations/us-central1/keyRings/terraform/cryptoKeys/state"
