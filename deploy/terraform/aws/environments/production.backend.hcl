bucket     = "netra-production-terraform-state"
region     = "us-east-1"
kms_key_id = "alias/netra-production-terraform-state"
