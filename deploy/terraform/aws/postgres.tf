# PostgreSQL: encrypted, in two zones, 30 days of backups. In dr it follows the primary's instance
# until postgres_source_arn is emptied (docs/environments.md, activate).

locals {
  is_standby = var.postgres_source_arn != ""
}

resource "aws_db_subnet_group" "main" {
  name       = local.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_security_group" "postgres" {
  name        = "${local.name}-postgres"
  description = "PostgreSQL, from the cluster's nodes only"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "postgres" {
  security_group_id            = aws_security_group.postgres.id
  description                  = "PostgreSQL from the cluster"
  referenced_security_group_id = aws_eks_cluster.main.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "main" {
  name   = "${local.name}-postgres18"
  family = "postgres18"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # 8 GB, in pages of 8 kB.
  parameter {
    name         = "shared_buffers"
    value        = "1048576"
    apply_method = "pending-reboot"
  }

  # 24 GB, in pages of 8 kB.
  parameter {
    name  = "effective_cache_size"
    value = "3145728"
  }

  # 2 GB, in kB.
  parameter {
    name  = "maintenance_work_mem"
    value = "2097152"
  }

  # 50 MB, in kB.
  parameter {
    name  = "work_mem"
    value = "51200"
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
}

resource "aws_db_instance" "main" {
  #checkov:skip=CKV_AWS_161:Netra signs in by the password of its Secret; tokens of IAM live 15 minutes and pools keep connections for an hour
  identifier     = local.name
  engine         = "postgres"
  engine_version = local.is_standby ? null : "18"
  instance_class = var.postgres.instance_class

  replicate_source_db = local.is_standby ? var.postgres_source_arn : null
  db_name             = local.is_standby ? null : "netra"
  username            = local.is_standby ? null : "netra"
  password_wo         = local.is_standby ? null : local.postgres_password
  password_wo_version = local.is_standby ? null : var.secrets_version

  storage_type          = "gp3"
  allocated_storage     = local.is_standby ? null : var.postgres.storage_gb
  max_allocated_storage = var.postgres.storage_gb * 2
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.main.arn

  multi_az               = true
  db_subnet_group_name   = aws_db_subnet_group.main.name
  vpc_security_group_ids = [aws_security_group.postgres.id]
  parameter_group_name   = aws_db_parameter_group.main.name
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period    = var.backup_days
  backup_window              = "03:00-04:00"
  maintenance_window         = "sun:04:00-sun:05:00"
  copy_tags_to_snapshot      = true
  auto_minor_version_upgrade = true
  deletion_protection        = true
  skip_final_snapshot        = false
  final_snapshot_identifier  = "${local.name}-final"

  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.main.arn
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.database.arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_157:A read replica: the primary is in two zones
  #checkov:skip=CKV_AWS_293:A read replica holds nothing that the primary does not
  count = var.postgres.read_replicas

  identifier          = "${local.name}-replica-${count.index + 1}"
  replicate_source_db = aws_db_instance.main.identifier
  instance_class      = var.postgres.instance_class

  storage_type          = "gp3"
  max_allocated_storage = var.postgres.storage_gb * 2
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.main.arn

  vpc_security_group_ids     = [aws_security_group.postgres.id]
  parameter_group_name       = aws_db_parameter_group.main.name
  publicly_accessible        = false
  maintenance_window         = "sun:04:00-sun:05:00"
  copy_tags_to_snapshot      = true
  auto_minor_version_upgrade = true
  skip_final_snapshot        = true

  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.main.arn
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.database.arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_iam_role" "database" {
  name               = "${local.name}-database"
  assume_role_policy = data.aws_iam_policy_document.trust["database"].json
}

resource "aws_iam_role_policy_attachment" "database" {
  role       = aws_iam_role.database.name
  policy_arn = "${local.aws_policy}/service-role/AmazonRDSEnhancedMonitoringRole"
}
