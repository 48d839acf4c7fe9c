# Roles of the cluster, its nodes, its pods, and of who may deploy. No long-lived key anywhere.

data "aws_iam_policy_document" "trust" {
  for_each = { cluster = "eks.amazonaws.com", node = "ec2.amazonaws.com", database = "monitoring.rds.amazonaws.com" }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }
  }
}

data "aws_iam_policy_document" "pod_trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

locals {
  aws_policy = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
}

resource "aws_iam_role" "cluster" {
  name               = "${local.name}-cluster"
  assume_role_policy = data.aws_iam_policy_document.trust["cluster"].json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.aws_policy}/AmazonEKSClusterPolicy"
}

resource "aws_iam_role" "node" {
  name               = "${local.name}-node"
  assume_role_policy = data.aws_iam_policy_document.trust["node"].json
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])

  role       = aws_iam_role.node.name
  policy_arn = "${local.aws_policy}/${each.key}"
}

resource "aws_iam_role" "volumes" {
  name               = "${local.name}-volumes"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

resource "aws_iam_role_policy_attachment" "volumes" {
  role       = aws_iam_role.volumes.name
  policy_arn = "${local.aws_policy}/service-role/AmazonEBSCSIDriverPolicy"
}

# External Secrets reads the one secret, and nothing else.
resource "aws_iam_role" "secrets" {
  name               = "${local.name}-secrets"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [aws_secretsmanager_secret.netra.arn]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.main.arn]
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "secrets"
  role   = aws_iam_role.secrets.id
  policy = data.aws_iam_policy_document.secrets.json
}

resource "aws_eks_pod_identity_association" "secrets" {
  cluster_name    = aws_eks_cluster.main.name
  namespace       = "external-secrets"
  service_account = "external-secrets"
  role_arn        = aws_iam_role.secrets.arn
}

# The cluster's autoscaler moves the sizes of this cluster's node groups, and no others.
resource "aws_iam_role" "autoscaler" {
  name               = "${local.name}-autoscaler"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

data "aws_iam_policy_document" "autoscaler" {
  #checkov:skip=CKV_AWS_356:AWS knows no narrower resource for calls that only look
  statement {
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements",
      "eks:DescribeNodegroup",
    ]
    resources = ["*"]
  }

  statement {
    actions   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/k8s.io/cluster-autoscaler/${aws_eks_cluster.main.name}"
      values   = ["owned"]
    }
  }
}

resource "aws_iam_role_policy" "autoscaler" {
  name   = "autoscaler"
  role   = aws_iam_role.autoscaler.id
  policy = data.aws_iam_policy_document.autoscaler.json
}

resource "aws_eks_pod_identity_association" "autoscaler" {
  cluster_name    = aws_eks_cluster.main.name
  namespace       = "kube-system"
  service_account = "cluster-autoscaler"
  role_arn        = aws_iam_role.autoscaler.arn
}

# Backups are written, read and pruned by an account of their own; the bucket keeps what was deleted
# for a week.
resource "aws_iam_role" "backup" {
  name               = "${local.name}-backup"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

data "aws_iam_policy_document" "backup" {
  statement {
    actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.backups.arn}/*"]
  }

  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.backups.arn]
  }

  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.main.arn]
  }

  # The standby reads what production's region sent over.
  dynamic "statement" {
    for_each = var.restore_bucket_arn == "" ? [] : [var.restore_bucket_arn]

    content {
      actions   = ["s3:GetObject", "s3:ListBucket"]
      resources = [statement.value, "${statement.value}/*"]
    }
  }

  dynamic "statement" {
    for_each = var.restore_key_arn == "" ? [] : [var.restore_key_arn]

    content {
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "backup" {
  name   = "backup"
  role   = aws_iam_role.backup.id
  policy = data.aws_iam_policy_document.backup.json
}

resource "aws_eks_pod_identity_association" "backup" {
  cluster_name    = aws_eks_cluster.main.name
  namespace       = local.namespace
  service_account = "netra-backup"
  role_arn        = aws_iam_role.backup.arn
}

# Who deploys: a workflow's or pipeline's own token, of this repository and environment only.
locals {
  deployers = merge(
    var.github_repository == "" ? {} : {
      github = {
        url     = "https://token.actions.githubusercontent.com"
        subject = "repo:${var.github_repository}:environment:${var.environment}"
      }
    },
    var.gitlab_project == "" ? {} : {
      gitlab = {
        url     = "https://gitlab.com"
        subject = "project_path:${var.gitlab_project}:ref_type:branch:ref:main"
      }
    },
  )
}

resource "aws_iam_openid_connect_provider" "deployer" {
  for_each = local.deployers

  url            = each.value.url
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "deployer_trust" {
  for_each = local.deployers

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.deployer[each.key].arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${trimprefix(each.value.url, "https://")}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${trimprefix(each.value.url, "https://")}:sub"
      values   = [each.value.subject]
    }
  }
}

resource "aws_iam_role" "deployer" {
  for_each = local.deployers

  name                 = "${local.name}-deploy-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.deployer_trust[each.key].json
  max_session_duration = 3600
}

# Its rights in the cloud end at finding the cluster and taking a snapshot of the database before it
# changes anything; in the cluster RBAC says what it may
# (deploy/terraform/rbac.yaml).
data "aws_iam_policy_document" "deployer" {
  statement {
    actions   = ["eks:DescribeCluster"]
    resources = [aws_eks_cluster.main.arn]
  }

  statement {
    actions = ["rds:CreateDBSnapshot", "rds:DescribeDBSnapshots"]
    resources = [
      aws_db_instance.main.arn,
      "arn:${data.aws_partition.current.partition}:rds:${var.region}:${local.account}:snapshot:before-*",
    ]
  }
}

resource "aws_iam_role_policy" "deployer" {
  for_each = aws_iam_role.deployer

  name   = "deploy"
  role   = each.value.id
  policy = data.aws_iam_policy_document.deployer.json
}

resource "aws_eks_access_entry" "deployer" {
  for_each = aws_iam_role.deployer

  cluster_name      = aws_eks_cluster.main.name
  principal_arn     = each.value.arn
  kubernetes_groups = ["netra-deployers"]
}
