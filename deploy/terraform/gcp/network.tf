# One network; nodes and stores have private addresses only, NAT is the way out.

locals {
  name         = "netra-${var.environment}"
  nodes_cidr   = "10.0.0.0/20"
  pods_cidr    = "10.4.0.0/14"
  service_cidr = "10.8.0.0/20"
}

resource "google_compute_network" "main" {
  name                    = local.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "nodes" {
  name                     = "${local.name}-nodes"
  network                  = google_compute_network.main.id
  region                   = var.region
  ip_cidr_range            = local.nodes_cidr
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = local.pods_cidr
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = local.service_cidr
  }

  log_config {
    aggregation_interval = "INTERVAL_5_SEC"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "main" {
  name    = local.name
  network = google_compute_network.main.id
  region  = var.region
}

resource "google_compute_router_nat" "main" {
  name                               = local.name
  router                             = google_compute_router.main.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Operators reach the private side through it; the tunnel is made with the customer's gateway.
resource "google_compute_ha_vpn_gateway" "main" {
  name    = local.name
  network = google_compute_network.main.id
  region  = var.region
}

# Managed stores have addresses of this range.
resource "google_compute_global_address" "stores" {
  name          = "${local.name}-stores"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = "10.0.16.0"
  prefix_length = 20
  network       = google_compute_network.main.id
}

resource "google_service_networking_connection" "stores" {
  network                 = google_compute_network.main.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.stores.name]
}
