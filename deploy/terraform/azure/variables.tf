variable "environment" {
  description = "Which of Netra's environments this is: names config/<environment>.toml as well."
  type        = string

  validation {
    condition     = contains(["staging", "production", "dr"], var.environment)
    error_message = "There are staging, production and dr; development needs no cloud (netra up)."
  }
}

variable "subscription_id" {
  description = "Azure subscription; given at apply (TF_VAR_subscription_id)."
  type        = string
}

variable "location" {
  description = "Region of everything."
  type        = string
  default     = "eastus"
}

variable "domain" {
  description = "The console is at app.<domain>, the API at api.<domain>."
  type        = string
}

variable "alarm_email" {
  description = "Who is told of alarms."
  type        = string
}

variable "admin_group_ids" {
  description = "Groups of Entra ID that administer the cluster; their members sign in with MFA. Given at apply (TF_VAR_admin_group_ids)."
  type        = list(string)
}

variable "certificate_secret_id" {
  description = "Key Vault's id of the certificate of app. and api.; versionless, so that renewals are taken over. Given at apply (TF_VAR_certificate_secret_id)."
  type        = string
}

variable "kubernetes_version" {
  description = "A version that AKS supports."
  type        = string
  default     = "1.36"
}

variable "cpu_nodes" {
  description = "The node pool of the cpu pool, the API, the scheduler and the console."
  type = object({
    vm_size = string
    min     = number
    max     = number
    disk_gb = number
  })
  default = {
    vm_size = "Standard_D4s_v5"
    min     = 3
    max     = 10
    disk_gb = 100
  }
}

variable "gpu_nodes" {
  description = "The node pool of the gpu pool."
  type = object({
    vm_size = string
    min     = number
    max     = number
    disk_gb = number
  })
  default = {
    vm_size = "Standard_NC4as_T4_v3"
    min     = 0
    max     = 10
    disk_gb = 100
  }
}

variable "store_nodes" {
  description = "The node pool of ClickHouse, which runs in the cluster."
  type = object({
    vm_size = string
    count   = number
    disk_gb = number
  })
  default = {
    # 8 vCPU, 64 GB.
    vm_size = "Standard_E8s_v5"
    count   = 1
    disk_gb = 100
  }
}

variable "postgres" {
  description = "Size, megabytes of disk and read replicas of PostgreSQL."
  type = object({
    sku_name      = string
    storage_mb    = number
    read_replicas = number
  })
  default = {
    # General purpose, 2 vCores.
    sku_name      = "GP_Standard_D2ds_v5"
    storage_mb    = 524288
    read_replicas = 2
  }
}

variable "redis_sku" {
  description = "Size of Redis."
  type        = string
  # Premium P1 had 6 GB.
  default = "Balanced_B5"
}

variable "backup_days" {
  description = "Days that backups are kept, in the storage account and of PostgreSQL."
  type        = number
  default     = 30
}

variable "secrets_version" {
  description = "Raise it by one: the next apply makes new passwords and a new JWT key, and sets them everywhere."
  type        = number
  default     = 1
}

variable "secrets_expire" {
  description = "When Key Vault reports the secrets as overdue; set it further with each rotation."
  type        = string
  default     = "2027-06-01T00:00:00Z"
}

variable "github_repository" {
  description = "owner/name whose workflows may deploy. Empty: none."
  type        = string
  default     = ""
}
