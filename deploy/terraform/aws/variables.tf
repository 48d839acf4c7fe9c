variable "environment" {
  description = "Which of Netra's environments this is: names config/<environment>.toml as well."
  type        = string

  validation {
    condition     = contains(["staging", "production", "dr"], var.environment)
    error_message = "There are staging, production and dr; development needs no cloud (netra up)."
  }
}

variable "region" {
  description = "Region of everything but the copies of backups."
  type        = string
  default     = "us-east-1"
}

variable "copy_region" {
  description = "Region that backups are copied to."
  type        = string
  default     = "us-west-2"
}

variable "domain" {
  description = "The console is at app.<domain>, the API at api.<domain>. Its Route 53 zone exists."
  type        = string
}

variable "dns_role" {
  description = "PRIMARY answers while it is healthy; SECONDARY answers when the primary does not."
  type        = string
  default     = "PRIMARY"

  validation {
    condition     = contains(["PRIMARY", "SECONDARY"], var.dns_role)
    error_message = "Route 53 knows PRIMARY and SECONDARY."
  }
}

variable "drained" {
  description = "Takes this environment's addresses out of the DNS, so that the other's answer."
  type        = bool
  default     = false
}

variable "alarm_email" {
  description = "Who is told of alarms and of findings of GuardDuty."
  type        = string
}

# Network

variable "vpc_cidr" {
  description = "A /16. Regions that are joined must not overlap: dr has 10.1.0.0/16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "one_nat_gateway" {
  description = "One NAT gateway instead of one a zone: cheaper, and its zone's loss cuts all egress."
  type        = bool
  default     = false
}

variable "operator_cidrs" {
  description = "Addresses that reach the cluster's API from outside of the VPC and its VPN. None: private only."
  type        = list(string)
  default     = []
}

# Cluster

variable "kubernetes_version" {
  description = "A version in EKS's standard support."
  type        = string
  default     = "1.36"
}

variable "cpu_nodes" {
  description = "The node group of the cpu pool, the API, the scheduler and the console."
  type = object({
    instance_types = list(string)
    min            = number
    max            = number
    desired        = number
    disk_gb        = number
  })
  default = {
    instance_types = ["t3.large"]
    min            = 2
    max            = 10
    desired        = 3
    disk_gb        = 50
  }
}

variable "gpu_nodes" {
  description = "The node group of the gpu pool."
  type = object({
    instance_types = list(string)
    min            = number
    max            = number
    desired        = number
    disk_gb        = number
  })
  default = {
    instance_types = ["g6.xlarge"]
    min            = 2
    max            = 10
    desired        = 3
    # Images with CUDA are large.
    disk_gb = 100
  }
}

# PostgreSQL

variable "postgres" {
  description = "Class, gigabytes and read replicas of PostgreSQL."
  type = object({
    instance_class = string
    storage_gb     = number
    read_replicas  = number
  })
  default = {
    instance_class = "db.r5.xlarge"
    storage_gb     = 100
    read_replicas  = 1
  }
}

variable "postgres_source_arn" {
  description = "The primary's ARN, which the standby follows (dr). Empty: a database of its own."
  type        = string
  default     = ""
}

# Redis

variable "redis" {
  description = "Node type and nodes (one primary, the rest replicas) of Redis."
  type = object({
    node_type = string
    nodes     = number
  })
  default = {
    node_type = "cache.r6g.large"
    nodes     = 3
  }
}

# ClickHouse

variable "clickhouse" {
  description = "Nodes of ClickHouse, and how many of them hold the same rows."
  type = object({
    instance_type = string
    nodes         = number
    replicas      = number
    storage_gb    = number
    version       = string
  })
  default = {
    instance_type = "r5.2xlarge"
    nodes         = 3
    replicas      = 3
    storage_gb    = 1000
    version       = "26.5"
  }
}

variable "clickhouse_serving_nodes" {
  description = "Nodes behind CLICKHOUSE_URL. One, until the migrations make replicated tables: with plain ones each node has its own rows."
  type        = number
  default     = 1
}

# Backups and secrets

variable "backup_days" {
  description = "Days that backups are kept, in S3 and of PostgreSQL."
  type        = number
  default     = 30
}

variable "secrets_version" {
  description = "Raise it by one: the next apply makes new passwords and a new JWT key, and sets them everywhere."
  type        = number
  default     = 1
}

variable "restore_bucket_arn" {
  description = "What ClickHouse's nodes and backups may read beside their own bucket: for dr production's backup_copy_bucket_arn. Empty: nothing."
  type        = string
  default     = ""
}

variable "restore_key_arn" {
  description = "The key of that bucket: production's backup_copy_key_arn."
  type        = string
  default     = ""
}

# Delivery

variable "github_repository" {
  description = "owner/name whose workflows may deploy. Empty: none."
  type        = string
  default     = ""
}

variable "gitlab_project" {
  description = "group/name whose pipelines may deploy. Empty: none."
  type        = string
  default     = ""
}
