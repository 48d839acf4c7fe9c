# The standby in the second region. What production's outputs say is given at apply:
#   terraform apply -var-file environments/dr.tfvars -var "postgres_source_arn=$ARN" \
#     -var "restore_bucket_arn=$BUCKET" -var "restore_key_arn=$KEY"
# postgres_source_arn is left out when the standby is activated (docs/disaster-recovery.md).
environment = "dr"
region      = "us-west-2"
copy_region = "us-east-1"
domain      = "netra.example.com"
alarm_email = "oncall@netra.example.com"
dns_role    = "SECONDARY"
vpc_cidr    = "10.1.0.0/16"

cpu_nodes = {
  instance_types = ["c5.2xlarge"]
  min            = 2
  max            = 10
  desired        = 2
  disk_gb        = 50
}

gpu_nodes = {
  instance_types = ["g6.xlarge"]
  min            = 0
  max            = 10
  desired        = 0
  disk_gb        = 100
}

postgres = {
  instance_class = "db.r5.2xlarge"
  storage_gb     = 500
  read_replicas  = 0
}

redis = {
  node_type = "cache.r6g.xlarge"
  nodes     = 3
}

clickhouse = {
  instance_type = "r5.2xlarge"
  nodes         = 6
  replicas      = 2
  storage_gb    = 1000
  version       = "26.5"
}
