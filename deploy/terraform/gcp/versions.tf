terraform {
  # 1.11 brought write-only arguments: no password that is made here gets into the state.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "8.7.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.9.1"
    }
  }

  # The bucket and its key come from environments/<environment>.backend.hcl.
  backend "gcs" {
    prefix = "netra/gcp"
  }
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = {
    application = "netra"
    environment = var.environment
    managed-by  = "terraform"
  }
}
