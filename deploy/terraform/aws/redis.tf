# Redis (Valkey, its open successor): one primary, the rest replicas. Not in cluster mode, whatever
# the number of nodes: Celery's transport knows no cluster, and a broker's keys must lie together.

resource "aws_elasticache_subnet_group" "main" {
  name       = local.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_security_group" "redis" {
  name        = "${local.name}-redis"
  description = "Redis, from the cluster's nodes only"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  security_group_id            = aws_security_group.redis.id
  description                  = "Redis from the cluster"
  referenced_security_group_id = aws_eks_cluster.main.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# maxmemory itself is the node type's; 16 GB of it are left by cache.r6g.xlarge.
resource "aws_elasticache_parameter_group" "main" {
  name   = "${local.name}-valkey8"
  family = "valkey8"

  # Evicting a broker's keys loses wake-ups and facts: it must refuse writes instead.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "main" {
  #checkov:skip=CKV_AWS_31:The token is set by auth_token_wo, which the scanner does not know
  replication_group_id = local.name
  description          = "Broker and progress streams of Netra"
  engine               = "valkey"
  engine_version       = "8.2"
  node_type            = var.redis.node_type
  num_cache_clusters   = var.redis.nodes
  parameter_group_name = aws_elasticache_parameter_group.main.name
  port                 = 6379

  automatic_failover_enabled = true
  multi_az_enabled           = true
  subnet_group_name          = aws_elasticache_subnet_group.main.name
  security_group_ids         = [aws_security_group.redis.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.main.arn
  transit_encryption_enabled = true
  auth_token_wo              = local.redis_password
  auth_token_wo_version      = var.secrets_version
  # Both tokens are good until the pods have the new one.
  auth_token_update_strategy = "ROTATE"

  snapshot_retention_limit   = 7
  snapshot_window            = "03:00-05:00"
  maintenance_window         = "sun:05:00-sun:06:00"
  auto_minor_version_upgrade = true

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.redis.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}

resource "aws_cloudwatch_log_group" "redis" {
  name              = "/netra/${var.environment}/redis"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.main.arn
}
