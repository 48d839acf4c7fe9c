variable "environment" {
  description = "Which of Netra's environments this is: names config/<environment>.toml as well."
  type        = string

  validation {
    condition     = contains(["staging", "production", "dr"], var.environment)
    error_message = "There are staging, production and dr; development needs no cloud (netra up)."
  }
}

variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-central1"
}

variable "zone" {
  description = "Zone of the cluster's nodes and of the primary stores."
  type        = string
  default     = "us-central1-a"
}

variable "domain" {
  description = "The console is at app.<domain>, the API at api.<domain>."
  type        = string
}

variable "alarm_email" {
  description = "Who is told of alarms."
  type        = string
}

variable "operator_cidrs" {
  description = "Addresses that reach the cluster's API from outside of the network. None: private only."
  type        = list(string)
  default     = []
}

variable "cpu_nodes" {
  description = "The node pool of the cpu pool, the API, the scheduler and the console."
  type = object({
    machine_type = string
    min          = number
    max          = number
    disk_gb      = number
  })
  default = {
    machine_type = "n2-standard-4"
    min          = 3
    max          = 10
    disk_gb      = 100
  }
}

variable "gpu_nodes" {
  description = "The node pool of the gpu pool."
  type = object({
    machine_type = string
    min          = number
    max          = number
    disk_gb      = number
  })
  default = {
    # One NVIDIA L4.
    machine_type = "g2-standard-4"
    min          = 0
    max          = 10
    disk_gb      = 100
  }
}

variable "store_nodes" {
  description = "The node pool of ClickHouse, which runs in the cluster."
  type = object({
    machine_type = string
    count        = number
    disk_gb      = number
  })
  default = {
    # 8 vCPU, 64 GB.
    machine_type = "n2-highmem-8"
    count        = 1
    disk_gb      = 100
  }
}

variable "postgres" {
  description = "Tier, gigabytes and read replicas of PostgreSQL."
  type = object({
    tier          = string
    storage_gb    = number
    read_replicas = number
  })
  default = {
    # 8 vCPU, 32 GB.
    tier          = "db-custom-8-32768"
    storage_gb    = 500
    read_replicas = 2
  }
}

variable "redis_memory_gb" {
  description = "Memory of Redis, with two replicas."
  type        = number
  default     = 16
}

variable "backup_days" {
  description = "Days that backups are kept, in the bucket and of PostgreSQL."
  type        = number
  default     = 30
}

variable "secrets_version" {
  description = "Raise it by one: the next apply makes new passwords and a new JWT key, and sets them everywhere."
  type        = number
  default     = 1
}

variable "github_repository" {
  description = "owner/name whose workflows may deploy. Empty: none."
  type        = string
  default     = ""
}
