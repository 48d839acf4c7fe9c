# Accounts of nodes, pods and deployers. No key of an account is ever made.

resource "google_service_account" "node" {
  account_id   = "${local.name}-node"
  display_name = "Nodes of ${local.name}"
}

resource "google_project_iam_member" "node" {
  for_each = toset(["roles/logging.logWriter", "roles/monitoring.metricWriter", "roles/artifactregistry.reader"])

  project = var.project
  role    = each.key
  member  = google_service_account.node.member
}

# External Secrets reads Netra's two secrets, and nothing else.
resource "google_service_account" "secrets" {
  account_id   = "${local.name}-secrets"
  display_name = "External Secrets of ${local.name}"
}

resource "google_secret_manager_secret_iam_member" "secrets" {
  for_each = google_secret_manager_secret.main

  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.secrets.member
}

# Backups are written, read and pruned.
resource "google_service_account" "backup" {
  account_id   = "${local.name}-backup"
  display_name = "Backups of ${local.name}"
}

resource "google_storage_bucket_iam_member" "backup" {
  bucket = google_storage_bucket.backups.name
  role   = "roles/storage.objectUser"
  member = google_service_account.backup.member
}

locals {
  pods = {
    secrets = { account = google_service_account.secrets.name, subject = "external-secrets/external-secrets" }
    backup  = { account = google_service_account.backup.name, subject = "${local.namespace}/netra-backup" }
  }
}

resource "google_service_account_iam_member" "pod" {
  for_each = local.pods

  service_account_id = each.value.account
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${google_container_cluster.main.workload_identity_config[0].workload_pool}[${each.value.subject}]"
}

# Who deploys: a workflow's own token, of this repository and environment only. In the cluster RBAC
# says what it may (deploy/terraform/rbac.yaml).
resource "google_iam_workload_identity_pool" "deploy" {
  count = var.github_repository == "" ? 0 : 1

  workload_identity_pool_id = "${local.name}-deploy"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:One repository and environment are named below; the scanner does not read variables
  count = var.github_repository == "" ? 0 : 1

  workload_identity_pool_id          = google_iam_workload_identity_pool.deploy[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_condition                = "assertion.sub == \"repo:${var.github_repository}:environment:${var.environment}\""

  attribute_mapping = {
    "google.subject" = "assertion.sub"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "deploy" {
  account_id   = "${local.name}-deploy"
  display_name = "Deploys ${local.name}"
}

resource "google_service_account_iam_member" "deploy" {
  count = var.github_repository == "" ? 0 : 1

  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.deploy[0].name}/subject/repo:${var.github_repository}:environment:${var.environment}"
}

# It may find the cluster, sign in to it, and back the database up before it changes anything.
resource "google_project_iam_custom_role" "backup" {
  role_id     = replace("${local.name}_backup", "-", "_")
  title       = "Backs PostgreSQL up"
  permissions = ["cloudsql.backupRuns.create", "cloudsql.backupRuns.get", "cloudsql.backupRuns.list", "cloudsql.instances.get"]
}

resource "google_project_iam_member" "deploy" {
  for_each = {
    cluster = "roles/container.clusterViewer"
    backup  = google_project_iam_custom_role.backup.id
  }

  project = var.project
  role    = each.value
  member  = google_service_account.deploy.member
}
