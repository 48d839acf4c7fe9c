# Staging: the same things, scaled down.
environment     = "staging"
region          = "us-east-1"
copy_region     = "us-west-2"
domain          = "staging.netra.example.com"
alarm_email     = "oncall@netra.example.com"
one_nat_gateway = true
vpc_cidr        = "10.2.0.0/16"
backup_days     = 7

gpu_nodes = {
  instance_types = ["g6.xlarge"]
  min            = 0
  max            = 2
  desired        = 0
  disk_gb        = 100
}

postgres = {
  instance_class = "db.r5.xlarge"
  storage_gb     = 100
  read_replicas  = 0
}

clickhouse = {
  instance_type = "r5.2xlarge"
  nodes         = 1
  replicas      = 1
  storage_gb    = 200
  version       = "26.5"
}
