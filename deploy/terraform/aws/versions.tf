terraform {
  # 1.11 brought write-only arguments: no password gets into the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.69.1"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.9.1"
    }
  }

  # The bucket, its key and the region come from environments/<environment>.backend.hcl. The state
  # holds names and addresses, no secret; it is encrypted and locked all the same.
  backend "s3" {
    key          = "netra/aws.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      application = "netra"
      environment = var.environment
      managed-by  = "terraform"
    }
  }
}

# Where backups are copied to: the other of the two regions.
provider "aws" {
  alias  = "copy"
  region = var.copy_region

  default_tags {
    tags = {
      application = "netra"
      environment = var.environment
      managed-by  = "terraform"
    }
  }
}
