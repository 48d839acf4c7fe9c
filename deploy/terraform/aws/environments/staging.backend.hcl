bucket     = "netra-staging-terraform-state"
region     = "us-east-1"
kms_key_id = "alias/netra-staging-terraform-state"
