# From the internet to the cluster: WAF, load balancer, ingress controller on its node port.

locals {
  # The node port that the ingress controller's Service is given.
  ingress_node_port = 30443
}

data "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_acm_certificate" "main" {
  domain_name               = "app.${var.domain}"
  subject_alternative_names = ["api.${var.domain}", local.clickhouse_host]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# While these records stand, AWS renews the certificate by itself.
resource "aws_route53_record" "certificate" {
  for_each = { for option in aws_acm_certificate.main.domain_validation_options : option.domain_name => option }

  zone_id         = data.aws_route53_zone.main.zone_id
  name            = each.value.resource_record_name
  type            = each.value.resource_record_type
  records         = [each.value.resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [for record in aws_route53_record.certificate : record.fqdn]
}

resource "aws_security_group" "ingress" {
  name        = "${local.name}-ingress"
  description = "The load balancer: HTTPS from everywhere, to the nodes only"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "ingress_https" {
  security_group_id = aws_security_group.ingress.id
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "ingress_http" {
  #checkov:skip=CKV_AWS_260:Answers only with a redirect to HTTPS
  security_group_id = aws_security_group.ingress.id
  description       = "HTTP, which is redirected"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "ingress" {
  security_group_id            = aws_security_group.ingress.id
  description                  = "To the ingress controller on the nodes"
  referenced_security_group_id = aws_eks_cluster.main.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.ingress_node_port
  to_port                      = local.ingress_node_port
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  security_group_id            = aws_eks_cluster.main.vpc_config[0].cluster_security_group_id
  description                  = "The ingress controller from the load balancer"
  referenced_security_group_id = aws_security_group.ingress.id
  ip_protocol                  = "tcp"
  from_port                    = local.ingress_node_port
  to_port                      = local.ingress_node_port
}

resource "aws_lb" "main" {
  #checkov:skip=CKV2_AWS_76:AWSManagedRulesKnownBadInputsRuleSet is one of waf_rules, which the scanner does not look into
  name               = local.name
  load_balancer_type = "application"
  subnets            = aws_subnet.public[*].id
  security_groups    = [aws_security_group.ingress.id]

  enable_deletion_protection = true
  enable_http2               = true
  drop_invalid_header_fields = true
  # Sockets may be idle for ten minutes.
  idle_timeout = 3600

  access_logs {
    bucket  = aws_s3_bucket.logs.bucket
    prefix  = "ingress"
    enabled = true
  }

  depends_on = [aws_s3_bucket_policy.logs]
}

resource "aws_lb_target_group" "ingress" {
  name        = "${local.name}-ingress"
  protocol    = "HTTPS"
  port        = local.ingress_node_port
  target_type = "instance"
  vpc_id      = aws_vpc.main.id

  # For a host that it does not know the controller answers 404: it is there.
  health_check {
    protocol = "HTTPS"
    path     = "/health"
    matcher  = "200,404"
  }
}

resource "aws_autoscaling_attachment" "ingress" {
  #checkov:skip=CKV2_AWS_15:A node whose ingress controller restarts is not to be replaced; EKS replaces broken nodes
  autoscaling_group_name = aws_eks_node_group.cpu.resources[0].autoscaling_groups[0].name
  lb_target_group_arn    = aws_lb_target_group.ingress.arn
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  protocol          = "HTTPS"
  port              = 443
  certificate_arn   = aws_acm_certificate_validation.main.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  routing_http_response_strict_transport_security_header_value = "max-age=31536000"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.ingress.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

# The records of the primary answer while this check is healthy, and that is for a person to say:
# a threshold of no children is always met, one of one child never is (docs/environments.md).
resource "aws_route53_health_check" "serving" {
  type                   = "CALCULATED"
  child_health_threshold = var.drained ? 1 : 0
  child_healthchecks     = []
}

resource "aws_route53_record" "public" {
  for_each = toset(["app", "api"])

  zone_id         = data.aws_route53_zone.main.zone_id
  name            = "${each.key}.${var.domain}"
  type            = "A"
  set_identifier  = var.environment
  health_check_id = aws_route53_health_check.serving.id

  failover_routing_policy {
    type = var.dns_role
  }

  alias {
    name                   = aws_lb.main.dns_name
    zone_id                = aws_lb.main.zone_id
    evaluate_target_health = true
  }
}

locals {
  waf_rules = {
    AWSManagedRulesAmazonIpReputationList = { priority = 1, counted = [] }
    AWSManagedRulesKnownBadInputsRuleSet  = { priority = 2, counted = [] }
    # Uploads of events are large bodies.
    AWSManagedRulesCommonRuleSet = { priority = 3, counted = ["SizeRestrictions_BODY"] }
    AWSManagedRulesSQLiRuleSet   = { priority = 4, counted = [] }
  }
}

resource "aws_wafv2_web_acl" "main" {
  #checkov:skip=CKV_AWS_192:AWSManagedRulesKnownBadInputsRuleSet is one of waf_rules, which the scanner does not look into
  name  = local.name
  scope = "REGIONAL"

  default_action {
    allow {}
  }

  # 20,000 requests of one address in five minutes: 67 a second.
  rule {
    name     = "rate"
    priority = 0

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = 20000
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = local.waf_rules

    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = rule.value.counted

            content {
              name = rule_action_override.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = rule.key
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = local.name
    sampled_requests_enabled   = true
  }
}

resource "aws_wafv2_web_acl_association" "main" {
  resource_arn = aws_lb.main.arn
  web_acl_arn  = aws_wafv2_web_acl.main.arn
}

# AWS wants this prefix.
resource "aws_cloudwatch_log_group" "waf" {
  name              = "aws-waf-logs-${local.name}"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.main.arn
}

resource "aws_wafv2_web_acl_logging_configuration" "main" {
  resource_arn            = aws_wafv2_web_acl.main.arn
  log_destination_configs = [aws_cloudwatch_log_group.waf.arn]

  # Bearer keys stay out of the log.
  redacted_fields {
    single_header {
      name = "authorization"
    }
  }
}
