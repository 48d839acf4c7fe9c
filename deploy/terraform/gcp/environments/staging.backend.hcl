bucket             = "netra-staging-terraform-state"
kms_encryption_key = "projects/netra-staging/locations/us-central1/keyRings/terraform/cryptoKeys/state"
