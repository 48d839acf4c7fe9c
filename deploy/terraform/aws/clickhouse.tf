# ClickHouse has no service of AWS's: nodes with a disk of their own each, in private subnets.
# A password never stands in user data: nodes read it from Secrets Manager.

data "aws_ssm_parameter" "linux" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

locals {
  clickhouse_nodes = { for i in range(var.clickhouse.nodes) : tostring(i + 1) => {
    zone = i % 3
    # Known before they exist, so that each can name the others.
    ip    = cidrhost(local.private_cidrs[i % 3], 20 + floor(i / 3))
    shard = floor(i / var.clickhouse.replicas) + 1
  } }

  # The first three keep the cluster's state; with fewer nodes a majority could not be lost.
  clickhouse_keepers = { for k, node in local.clickhouse_nodes : k => node if tonumber(k) <= 3 }

  clickhouse_config = { for k, node in local.clickhouse_nodes : k => yamlencode({
    listen_host = "0.0.0.0"
    http_port   = 8123
    tcp_port    = 9000
    path        = "/data/clickhouse/"
    tmp_path    = "/data/clickhouse/tmp/"
    macros      = { shard = node.shard, replica = k }
    zookeeper   = { node = [for keeper in local.clickhouse_keepers : { host = keeper.ip, port = 9181 }] }
    remote_servers = { netra = { shard = [for shard in distinct([for n in local.clickhouse_nodes : n.shard]) : {
      internal_replication = true
      replica              = [for n in local.clickhouse_nodes : { host = n.ip, port = 9000 } if n.shard == shard]
    }] } }
  }) }

  clickhouse_keeper_config = { for k, node in local.clickhouse_keepers : k => yamlencode({
    keeper_server = {
      tcp_port              = 9181
      server_id             = tonumber(k)
      log_storage_path      = "/data/keeper/log"
      snapshot_storage_path = "/data/keeper/snapshots"
      raft_configuration    = { server = [for id, keeper in local.clickhouse_keepers : { id = tonumber(id), hostname = keeper.ip, port = 9234 }] }
    }
  }) }
}

resource "aws_security_group" "clickhouse" {
  name        = "${local.name}-clickhouse"
  description = "ClickHouse, from its load balancer and its own nodes only"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "clickhouse_http" {
  security_group_id            = aws_security_group.clickhouse.id
  description                  = "HTTP from the load balancer that ends TLS"
  referenced_security_group_id = aws_security_group.clickhouse_lb.id
  ip_protocol                  = "tcp"
  from_port                    = 8123
  to_port                      = 8123
}

# 9000: queries, 9009: parts of replicas, 9181 and 9234: the keepers.
resource "aws_vpc_security_group_ingress_rule" "clickhouse_nodes" {
  for_each = toset(["9000", "9009", "9181", "9234"])

  security_group_id            = aws_security_group.clickhouse.id
  description                  = "Between the nodes"
  referenced_security_group_id = aws_security_group.clickhouse.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}

resource "aws_vpc_security_group_egress_rule" "clickhouse_nodes" {
  security_group_id            = aws_security_group.clickhouse.id
  description                  = "Between the nodes"
  referenced_security_group_id = aws_security_group.clickhouse.id
  ip_protocol                  = "tcp"
  from_port                    = 9000
  to_port                      = 9234
}

resource "aws_vpc_security_group_egress_rule" "clickhouse_https" {
  security_group_id = aws_security_group.clickhouse.id
  description       = "Packages, Secrets Manager, backups in S3"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_instance" "clickhouse" {
  for_each = local.clickhouse_nodes

  ami                    = data.aws_ssm_parameter.linux.value
  instance_type          = var.clickhouse.instance_type
  subnet_id              = aws_subnet.private[each.value.zone].id
  private_ip             = each.value.ip
  vpc_security_group_ids = [aws_security_group.clickhouse.id]
  iam_instance_profile   = aws_iam_instance_profile.clickhouse.name
  ebs_optimized          = true
  monitoring             = true

  user_data = templatefile("${path.module}/clickhouse.sh.tftpl", {
    version   = var.clickhouse.version
    volume    = aws_ebs_volume.clickhouse[each.key].id
    secret    = aws_secretsmanager_secret.clickhouse.name
    region    = var.region
    config    = base64encode(local.clickhouse_config[each.key])
    keeper    = contains(keys(local.clickhouse_keepers), each.key) ? base64encode(local.clickhouse_keeper_config[each.key]) : ""
    db_folder = "/data/clickhouse"
    backups   = "https://${aws_s3_bucket.backups.bucket}.s3.${var.region}.amazonaws.com/clickhouse/${each.key}"
  })

  root_block_device {
    volume_type = "gp3"
    volume_size = 20
    encrypted   = true
    kms_key_id  = aws_kms_key.main.arn
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  lifecycle {
    # A newer image or script is taken over node by node, by replacing: never all at once.
    ignore_changes = [ami, user_data]
  }

  tags = { Name = "${local.name}-clickhouse-${each.key}" }
}

resource "aws_ebs_volume" "clickhouse" {
  for_each = local.clickhouse_nodes

  availability_zone = local.zones[each.value.zone]
  type              = "gp3"
  size              = var.clickhouse.storage_gb
  encrypted         = true
  kms_key_id        = aws_kms_key.main.arn

  tags = { Name = "${local.name}-clickhouse-${each.key}" }
}

resource "aws_volume_attachment" "clickhouse" {
  for_each = local.clickhouse_nodes

  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.clickhouse[each.key].id
  instance_id = aws_instance.clickhouse[each.key].id
}

resource "aws_iam_role" "clickhouse" {
  name               = "${local.name}-clickhouse"
  assume_role_policy = data.aws_iam_policy_document.trust["node"].json
}

resource "aws_iam_instance_profile" "clickhouse" {
  name = "${local.name}-clickhouse"
  role = aws_iam_role.clickhouse.name
}

data "aws_iam_policy_document" "clickhouse" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.clickhouse.arn]
  }

  statement {
    actions   = ["s3:PutObject", "s3:GetObject", "s3:ListBucket"]
    resources = [aws_s3_bucket.backups.arn, "${aws_s3_bucket.backups.arn}/clickhouse/*"]
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

resource "aws_iam_role_policy" "clickhouse" {
  name   = "clickhouse"
  role   = aws_iam_role.clickhouse.id
  policy = data.aws_iam_policy_document.clickhouse.json
}

# TLS ends here, inside of the VPC: https://clickhouse.<domain>:8123.
resource "aws_lb" "clickhouse" {
  #checkov:skip=CKV_AWS_91:A network load balancer logs only TLS handshakes; the VPC's flow log has the connections
  name                             = "${local.name}-clickhouse"
  load_balancer_type               = "network"
  internal                         = true
  subnets                          = aws_subnet.private[*].id
  security_groups                  = [aws_security_group.clickhouse_lb.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = true
}

resource "aws_security_group" "clickhouse_lb" {
  name        = "${local.name}-clickhouse-lb"
  description = "ClickHouse's load balancer, from the cluster's nodes only"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "clickhouse_lb" {
  security_group_id            = aws_security_group.clickhouse_lb.id
  description                  = "ClickHouse over TLS from the cluster"
  referenced_security_group_id = aws_eks_cluster.main.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 8123
  to_port                      = 8123
}

resource "aws_vpc_security_group_egress_rule" "clickhouse_lb" {
  security_group_id            = aws_security_group.clickhouse_lb.id
  description                  = "To the nodes"
  referenced_security_group_id = aws_security_group.clickhouse.id
  ip_protocol                  = "tcp"
  from_port                    = 8123
  to_port                      = 8123
}

resource "aws_lb_target_group" "clickhouse" {
  name        = "${local.name}-clickhouse"
  protocol    = "TCP"
  port        = 8123
  target_type = "instance"
  vpc_id      = aws_vpc.main.id

  health_check {
    protocol = "HTTP"
    path     = "/ping"
  }
}

resource "aws_lb_target_group_attachment" "clickhouse" {
  for_each = { for k, node in local.clickhouse_nodes : k => node if tonumber(k) <= var.clickhouse_serving_nodes }

  target_group_arn = aws_lb_target_group.clickhouse.arn
  target_id        = aws_instance.clickhouse[each.key].id
}

resource "aws_lb_listener" "clickhouse" {
  load_balancer_arn = aws_lb.clickhouse.arn
  protocol          = "TLS"
  port              = 8123
  certificate_arn   = aws_acm_certificate_validation.main.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.clickhouse.arn
  }
}

resource "aws_route53_zone" "clickhouse" {
  name = local.clickhouse_host

  vpc {
    vpc_id = aws_vpc.main.id
  }
}

resource "aws_route53_record" "clickhouse" {
  zone_id = aws_route53_zone.clickhouse.zone_id
  name    = local.clickhouse_host
  type    = "A"

  alias {
    name                   = aws_lb.clickhouse.dns_name
    zone_id                = aws_lb.clickhouse.zone_id
    evaluate_target_health = false
  }
}
