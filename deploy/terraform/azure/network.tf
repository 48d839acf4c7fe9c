# One network; nodes and stores have private addresses only, NAT is the way out.

data "azurerm_client_config" "current" {}

locals {
  name = "netra-${var.environment}"

  tags = {
    application = "netra"
    environment = var.environment
    managed-by  = "terraform"
  }

  subnets = {
    nodes     = "10.0.0.0/20"
    gateway   = "10.0.16.0/24"
    endpoints = "10.0.17.0/24"
  }

  # The internal address of the ingress controller's Service.
  ingress_address = cidrhost(local.subnets.nodes, 4000)
}

resource "azurerm_resource_group" "main" {
  name     = local.name
  location = var.location
  tags     = local.tags
}

resource "azurerm_virtual_network" "main" {
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  address_space       = ["10.0.0.0/16"]
  tags                = local.tags
}

resource "azurerm_subnet" "main" {
  for_each = local.subnets

  name                            = each.key
  resource_group_name             = azurerm_resource_group.main.name
  virtual_network_name            = azurerm_virtual_network.main.name
  address_prefixes                = [each.value]
  default_outbound_access_enabled = false
}

resource "azurerm_subnet" "postgres" {
  name                 = "postgres"
  resource_group_name  = azurerm_resource_group.main.name
  virtual_network_name = azurerm_virtual_network.main.name
  address_prefixes     = ["10.0.18.0/24"]

  delegation {
    name = "postgres"

    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

# Azure wants this name for the subnet of a VPN gateway.
resource "azurerm_subnet" "vpn" {
  name                 = "GatewaySubnet"
  resource_group_name  = azurerm_resource_group.main.name
  virtual_network_name = azurerm_virtual_network.main.name
  address_prefixes     = ["10.0.255.0/27"]
}

resource "azurerm_public_ip" "main" {
  for_each = toset(["nat", "vpn", "ingress"])

  name                = "${local.name}-${each.key}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = ["1", "2", "3"]
  tags                = local.tags
}

resource "azurerm_nat_gateway" "main" {
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  sku_name            = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "main" {
  nat_gateway_id       = azurerm_nat_gateway.main.id
  public_ip_address_id = azurerm_public_ip.main["nat"].id
}

resource "azurerm_subnet_nat_gateway_association" "nodes" {
  subnet_id      = azurerm_subnet.main["nodes"].id
  nat_gateway_id = azurerm_nat_gateway.main.id
}

# Operators reach the private side through it; the tunnel is made with the customer's gateway.
resource "azurerm_virtual_network_gateway" "main" {
  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  type                = "Vpn"
  sku                 = "VpnGw1AZ"
  tags                = local.tags

  ip_configuration {
    name                 = "main"
    subnet_id            = azurerm_subnet.vpn.id
    public_ip_address_id = azurerm_public_ip.main["vpn"].id
  }
}

# Who may speak to which subnet; what is not named comes from nowhere outside of the network.
locals {
  inbound = {
    nodes-ingress   = { group = "nodes", priority = 100, from = local.subnets.gateway, ports = ["443"], access = "Allow" }
    nodes-internet  = { group = "nodes", priority = 4000, from = "Internet", ports = ["*"], access = "Deny" }
    stores-nodes    = { group = "stores", priority = 100, from = local.subnets.nodes, ports = ["443", "5432", "10000"], access = "Allow" }
    stores-gateway  = { group = "stores", priority = 4000, from = local.subnets.gateway, ports = ["*"], access = "Deny" }
    stores-internet = { group = "stores", priority = 4001, from = "Internet", ports = ["*"], access = "Deny" }
    gateway-clients = { group = "gateway", priority = 100, from = "Internet", ports = ["80", "443"], access = "Allow" }
    # Azure runs the gateway over these ports.
    gateway-azure = { group = "gateway", priority = 110, from = "GatewayManager", ports = ["65200-65535"], access = "Allow" }
  }

  guarded = {
    nodes     = { group = "nodes", subnet = azurerm_subnet.main["nodes"].id }
    gateway   = { group = "gateway", subnet = azurerm_subnet.main["gateway"].id }
    endpoints = { group = "stores", subnet = azurerm_subnet.main["endpoints"].id }
    postgres  = { group = "stores", subnet = azurerm_subnet.postgres.id }
  }
}

resource "azurerm_network_security_group" "main" {
  for_each = toset(["nodes", "stores", "gateway"])

  name                = "${local.name}-${each.key}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}

resource "azurerm_network_security_rule" "inbound" {
  #checkov:skip=CKV_AZURE_160:Port 80 of the gateway answers with a redirect to HTTPS only
  for_each = local.inbound

  name                        = each.key
  resource_group_name         = azurerm_resource_group.main.name
  network_security_group_name = azurerm_network_security_group.main[each.value.group].name
  priority                    = each.value.priority
  direction                   = "Inbound"
  access                      = each.value.access
  protocol                    = each.value.access == "Deny" ? "*" : "Tcp"
  source_address_prefix       = each.value.from
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_ranges     = each.value.ports == ["*"] ? null : each.value.ports
  destination_port_range      = each.value.ports == ["*"] ? "*" : null
}

resource "azurerm_subnet_network_security_group_association" "main" {
  for_each = local.guarded

  subnet_id                 = each.value.subnet
  network_security_group_id = azurerm_network_security_group.main[each.value.group].id
}
