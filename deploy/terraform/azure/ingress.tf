# From the internet to the cluster: application gateway with WAF, then the ingress controller's
# internal address.

resource "azurerm_user_assigned_identity" "ingress" {
  name                = "${local.name}-ingress"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "ingress" {
  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.ingress.principal_id
}

resource "azurerm_application_gateway" "main" {
  #checkov:skip=CKV_AZURE_120:The firewall is the policy named below
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  firewall_policy_id  = azurerm_web_application_firewall_policy.main.id
  http2_enabled       = true
  zones               = ["1", "2", "3"]
  tags                = local.tags

  sku {
    name = "WAF_v2"
    tier = "WAF_v2"
  }

  autoscale_configuration {
    min_capacity = 2
    max_capacity = 10
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.ingress.id]
  }

  ssl_policy {
    policy_type = "Predefined"
    policy_name = "AppGwSslPolicy20220101S"
  }

  gateway_ip_configuration {
    name      = "main"
    subnet_id = azurerm_subnet.main["gateway"].id
  }

  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.main["ingress"].id
  }

  frontend_port {
    name = "https"
    port = 443
  }

  frontend_port {
    name = "http"
    port = 80
  }

  ssl_certificate {
    name                = "main"
    key_vault_secret_id = var.certificate_secret_id
  }

  http_listener {
    name                           = "https"
    protocol                       = "Https"
    frontend_ip_configuration_name = "public"
    frontend_port_name             = "https"
    host_names                     = ["app.${var.domain}", "api.${var.domain}"]
    ssl_certificate_name           = "main"
  }

  http_listener {
    name                           = "http"
    protocol                       = "Http"
    frontend_ip_configuration_name = "public"
    frontend_port_name             = "http"
  }

  backend_address_pool {
    name         = "ingress"
    ip_addresses = [local.ingress_address]
  }

  # Sockets may be idle for ten minutes. The name stays the client's: it is how the controller routes.
  backend_http_settings {
    name                  = "ingress"
    protocol              = "Https"
    port                  = 443
    cookie_based_affinity = "Disabled"
    request_timeout       = 3600
    probe_name            = "api"
  }

  probe {
    name                = "api"
    protocol            = "Https"
    host                = "api.${var.domain}"
    path                = "/health"
    interval            = 30
    timeout             = 5
    unhealthy_threshold = 3
  }

  redirect_configuration {
    name                 = "https"
    redirect_type        = "Permanent"
    target_listener_name = "https"
    include_path         = true
    include_query_string = true
  }

  request_routing_rule {
    name                       = "https"
    rule_type                  = "Basic"
    priority                   = 10
    http_listener_name         = "https"
    backend_address_pool_name  = "ingress"
    backend_http_settings_name = "ingress"
  }

  request_routing_rule {
    name                        = "http"
    rule_type                   = "Basic"
    priority                    = 20
    http_listener_name          = "http"
    redirect_configuration_name = "https"
  }

  depends_on = [azurerm_role_assignment.ingress]
}

resource "azurerm_web_application_firewall_policy" "main" {
  #checkov:skip=CKV_AZURE_135:The rule is part of the default rule set 2.1, which the scanner does not know
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags

  # Uploads of events are large bodies: their beginning is looked at, their size is not bound.
  policy_settings {
    mode                             = "Prevention"
    request_body_check               = true
    request_body_enforcement         = false
    request_body_inspect_limit_in_kb = 128
    file_upload_enforcement          = false
  }

  managed_rules {
    managed_rule_set {
      type    = "Microsoft_DefaultRuleSet"
      version = "2.1"
    }

    managed_rule_set {
      type    = "Microsoft_BotManagerRuleSet"
      version = "1.1"
    }
  }

  # 20,000 requests of one address in five minutes: 67 a second.
  custom_rules {
    name                 = "rate"
    priority             = 1
    rule_type            = "RateLimitRule"
    action               = "Block"
    rate_limit_duration  = "FiveMins"
    rate_limit_threshold = 20000
    group_rate_limit_by  = "ClientAddr"

    match_conditions {
      operator           = "IPMatch"
      match_values       = ["0.0.0.0/0"]
      negation_condition = false

      match_variables {
        variable_name = "RemoteAddr"
      }
    }
  }
}
