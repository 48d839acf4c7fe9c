terraform {
  # 1.11 brought write-only arguments: no password that is made here gets into the state.
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "5.10.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.9.1"
    }
  }

  # The storage account comes from environments/<environment>.backend.hcl.
  backend "azurerm" {
    container_name   = "terraform-state"
    key              = "netra/azure.tfstate"
    use_azuread_auth = true
  }
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true

  features {}
}
