bucket     = "netra-dr-terraform-state"
region     = "us-west-2"
kms_key_id = "alias/netra-dr-terraform-state"
