# Accounts of pods and deployers. No key of an account is ever made.

locals {
  # Who acts as the account: a service account of the cluster.
  pods = {
    secrets = "system:serviceaccount:external-secrets:external-secrets"
    backup  = "system:serviceaccount:${local.namespace}:netra-backup"
  }
}

resource "azurerm_user_assigned_identity" "pod" {
  for_each = local.pods

  name                = "${local.name}-${each.key}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "pod" {
  for_each = local.pods

  name                      = each.key
  user_assigned_identity_id = azurerm_user_assigned_identity.pod[each.key].id
  audience                  = ["api://AzureADTokenExchange"]
  issuer                    = azurerm_kubernetes_cluster.main.oidc_issuer_url
  subject                   = each.value
}

resource "azurerm_role_assignment" "secrets" {
  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.pod["secrets"].principal_id
}

resource "azurerm_role_assignment" "backup" {
  scope                = azurerm_storage_account.backups.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.pod["backup"].principal_id
}

# Who deploys: a workflow's own token, of this repository and environment only. In the cluster RBAC
# says what it may (deploy/terraform/rbac.yaml).
resource "azurerm_user_assigned_identity" "deploy" {
  name                = "${local.name}-deploy"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "deploy" {
  count = var.github_repository == "" ? 0 : 1

  name                      = "github"
  user_assigned_identity_id = azurerm_user_assigned_identity.deploy.id
  audience                  = ["api://AzureADTokenExchange"]
  issuer                    = "https://token.actions.githubusercontent.com"
  subject                   = "repo:${var.github_repository}:environment:${var.environment}"
}

# It backs the database up before it changes anything.
resource "azurerm_role_definition" "backup" {
  name  = "${local.name}-backs-postgresql-up"
  scope = azurerm_resource_group.main.id

  permissions {
    actions = [
      "Microsoft.DBforPostgreSQL/flexibleServers/read",
      "Microsoft.DBforPostgreSQL/flexibleServers/backups/read",
      "Microsoft.DBforPostgreSQL/flexibleServers/backups/write",
    ]
  }
}

resource "azurerm_role_assignment" "deploy_backup" {
  scope              = azurerm_postgresql_flexible_server.main.id
  role_definition_id = azurerm_role_definition.backup.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.deploy.principal_id
}

resource "azurerm_role_assignment" "deploy" {
  scope                = azurerm_kubernetes_cluster.main.id
  role_definition_name = "Azure Kubernetes Service Cluster User Role"
  principal_id         = azurerm_user_assigned_identity.deploy.principal_id
}
