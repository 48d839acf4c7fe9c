# Production: full size.
environment = "production"
region      = "us-east-1"
copy_region = "us-west-2"
domain      = "netra.example.com"
alarm_email = "oncall@netra.example.com"
dns_role    = "PRIMARY"

# The API's nodes; the console's pods (t3.large alone would do for them) share them.
cpu_nodes = {
  instance_types = ["c5.2xlarge"]
  min            = 2
  max            = 10
  desired        = 3
  disk_gb        = 50
}

postgres = {
  instance_class = "db.r5.2xlarge"
  storage_gb     = 500
  read_replicas  = 2
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
