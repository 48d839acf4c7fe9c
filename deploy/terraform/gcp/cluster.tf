# GKE with node pools: Autopilot has no pool whose size and disks are said. Dataplane V2 enforces
# NetworkPolicies.

locals {
  # The standby is production's, once it is activated.
  namespace    = var.environment == "dr" ? "netra-production" : "netra-${var.environment}"
  ingress_port = 30443

  # The agent of Managed Service for Prometheus, which scrapes pods.
  managed_prometheus = [{ namespace = "gmp-system", labels = { "app.kubernetes.io/name" = "collector" } }]
}

resource "google_container_cluster" "main" {
  #checkov:skip=CKV_GCP_21:The provider labels everything (default_labels)
  #checkov:skip=CKV_GCP_12:Dataplane V2 enforces policies; the older switch must be off with it
  #checkov:skip=CKV_GCP_65:Google Groups for RBAC need a Workspace domain, which not everybody has
  #checkov:skip=CKV_GCP_66:Binary Authorization wants attestations of images, which the registry here does not make yet
  #checkov:skip=CKV_GCP_69:Set where the node pools are; the default pool is removed
  name     = local.name
  location = var.zone

  network             = google_compute_network.main.id
  subnetwork          = google_compute_subnetwork.nodes.id
  networking_mode     = "VPC_NATIVE"
  datapath_provider   = "ADVANCED_DATAPATH"
  deletion_protection = var.environment != "staging"

  remove_default_node_pool    = true
  initial_node_count          = 1
  enable_shielded_nodes       = true
  enable_intranode_visibility = true

  # A supported version, and its patches, come with the channel.
  release_channel {
    channel = "REGULAR"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.operator_cidrs) == 0
    master_ipv4_cidr_block  = "10.0.32.0/28"
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.operator_cidrs

      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.main.id
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER"]
  }

  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]

    managed_prometheus {
      enabled = true
    }
  }

  # Looks for intrusions, and for known holes in what runs.
  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_BASIC"
  }

  maintenance_policy {
    recurring_window {
      start_time = "2026-01-04T04:00:00Z"
      end_time   = "2026-01-04T08:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.main]
}

resource "google_container_node_pool" "cpu" {
  name     = "cpu"
  cluster  = google_container_cluster.main.id
  location = var.zone

  initial_node_count = var.cpu_nodes.min

  autoscaling {
    min_node_count = var.cpu_nodes.min
    max_node_count = var.cpu_nodes.max
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type      = var.cpu_nodes.machine_type
    disk_size_gb      = var.cpu_nodes.disk_gb
    disk_type         = "pd-ssd"
    boot_disk_kms_key = google_kms_crypto_key.main.id
    service_account   = google_service_account.node.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    image_type        = "COS_CONTAINERD"
    labels            = { "netra-pool" = "cpu" }
    tags              = [local.name]
    metadata          = { "disable-legacy-endpoints" = "true" }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    # A pod does not reach its node's credentials.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
}

# ClickHouse wants more memory than the other pods, and neighbours that take none of it.
resource "google_container_node_pool" "stores" {
  name     = "stores"
  cluster  = google_container_cluster.main.id
  location = var.zone

  node_count = var.store_nodes.count

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type      = var.store_nodes.machine_type
    disk_size_gb      = var.store_nodes.disk_gb
    disk_type         = "pd-ssd"
    boot_disk_kms_key = google_kms_crypto_key.main.id
    service_account   = google_service_account.node.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    image_type        = "COS_CONTAINERD"
    # What the chart selects and tolerates: clickhouse.ownNodes.
    labels   = { "netra/stores" = "true" }
    tags     = [local.name]
    metadata = { "disable-legacy-endpoints" = "true" }

    taint {
      key    = "netra/stores"
      value  = "present"
      effect = "NO_SCHEDULE"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
}

resource "google_container_node_pool" "gpu" {
  name     = "gpu"
  cluster  = google_container_cluster.main.id
  location = var.zone

  initial_node_count = var.gpu_nodes.min

  autoscaling {
    min_node_count = var.gpu_nodes.min
    max_node_count = var.gpu_nodes.max
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type      = var.gpu_nodes.machine_type
    disk_size_gb      = var.gpu_nodes.disk_gb
    disk_type         = "pd-ssd"
    boot_disk_kms_key = google_kms_crypto_key.main.id
    service_account   = google_service_account.node.email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    image_type        = "COS_CONTAINERD"
    # What the chart's gpu workers select and tolerate.
    labels   = { "netra-pool" = "gpu", "nvidia.com/gpu.present" = "true" }
    tags     = [local.name]
    metadata = { "disable-legacy-endpoints" = "true" }

    guest_accelerator {
      type  = "nvidia-l4"
      count = 1

      gpu_driver_installation_config {
        gpu_driver_version = "DEFAULT"
      }
    }

    taint {
      key    = "nvidia.com/gpu"
      value  = "present"
      effect = "NO_SCHEDULE"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
}
