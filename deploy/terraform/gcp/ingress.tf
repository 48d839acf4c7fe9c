# From the internet to the cluster: WAF (Cloud Armor), HTTPS load balancer, ingress controller on its
# node port.

resource "google_compute_global_address" "ingress" {
  name = "${local.name}-ingress"
}

resource "google_compute_managed_ssl_certificate" "main" {
  name = local.name

  managed {
    domains = ["app.${var.domain}", "api.${var.domain}"]
  }
}

resource "google_compute_ssl_policy" "main" {
  name            = local.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_firewall" "ingress" {
  name      = "${local.name}-ingress"
  network   = google_compute_network.main.id
  direction = "INGRESS"
  # Google's load balancers and their health checks.
  source_ranges = ["130.211.0.0/22", "35.191.0.0/16"]
  target_tags   = [local.name]

  allow {
    protocol = "tcp"
    ports    = [tostring(local.ingress_port)]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_instance_group_named_port" "ingress" {
  group = google_container_node_pool.cpu.managed_instance_group_urls[0]
  zone  = var.zone
  name  = "ingress"
  port  = local.ingress_port
}

resource "google_compute_health_check" "ingress" {
  name = "${local.name}-ingress"

  ssl_health_check {
    port = local.ingress_port
  }
}

resource "google_compute_backend_service" "ingress" {
  name                  = "${local.name}-ingress"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  port_name             = google_compute_instance_group_named_port.ingress.name
  security_policy       = google_compute_security_policy.main.id
  health_checks         = [google_compute_health_check.ingress.id]
  # Sockets may be idle for ten minutes.
  timeout_sec = 3600

  backend {
    group           = google_container_node_pool.cpu.managed_instance_group_urls[0]
    balancing_mode  = "UTILIZATION"
    capacity_scaler = 1
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_url_map" "https" {
  name            = "${local.name}-https"
  default_service = google_compute_backend_service.ingress.id
}

# It speaks HTTP/2 by default.
resource "google_compute_target_https_proxy" "main" {
  name             = local.name
  url_map          = google_compute_url_map.https.id
  ssl_certificates = [google_compute_managed_ssl_certificate.main.id]
  ssl_policy       = google_compute_ssl_policy.main.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "${local.name}-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.ingress.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.main.id
}

resource "google_compute_security_policy" "main" {
  #checkov:skip=CKV_GCP_73:cve-canary is one of the rules below, which the scanner does not look into
  name = local.name

  dynamic "rule" {
    for_each = { 1000 = "sqli-v33-stable", 1001 = "xss-v33-stable", 1002 = "lfi-v33-stable", 1003 = "rce-v33-stable", 1004 = "cve-canary" }

    content {
      action   = "deny(403)"
      priority = rule.key

      match {
        expr {
          expression = "evaluatePreconfiguredWaf('${rule.value}', {'sensitivity': 1})"
        }
      }
    }
  }

  # 20,000 requests of one address in five minutes: 67 a second.
  rule {
    action   = "throttle"
    priority = 2000

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = 20000
        interval_sec = 300
      }
    }
  }

  rule {
    action   = "allow"
    priority = 2147483647

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  # Anomalies of layer 7.
  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }
}
