# What tells a person: intrusions (GuardDuty), anomalies and failing stores (CloudWatch); and the
# audit log of the account (CloudTrail). Netra's own alerts are Prometheus's (deploy/monitoring).

locals {
  trail_arn = "arn:${data.aws_partition.current.partition}:cloudtrail:${var.region}:${local.account}:trail/${local.name}"
}

resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.main.arn
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

data "aws_iam_policy_document" "alarms" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

# Intrusions: the account's calls, DNS, flows, the cluster's audit log, and what runs on its nodes.
resource "aws_guardduty_detector" "main" {
  #checkov:skip=CKV2_AWS_3:One account and region; an organisation turns it on for all of its own
  enable                       = true
  finding_publishing_frequency = "FIFTEEN_MINUTES"
}

resource "aws_guardduty_detector_feature" "main" {
  for_each = toset(["S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS"])

  detector_id = aws_guardduty_detector.main.id
  name        = each.key
  status      = "ENABLED"
}

resource "aws_cloudwatch_event_rule" "findings" {
  name        = "${local.name}-findings"
  description = "Findings of GuardDuty of medium severity and above"

  event_pattern = jsonencode({
    source      = ["aws.guardduty"]
    detail-type = ["GuardDuty Finding"]
    detail      = { severity = [{ numeric = [">=", 4] }] }
  })
}

resource "aws_cloudwatch_event_target" "findings" {
  rule = aws_cloudwatch_event_rule.findings.name
  arn  = aws_sns_topic.alarms.arn
}

# Anomalies: traffic and errors outside of the band that their own history draws.
resource "aws_cloudwatch_metric_alarm" "anomaly" {
  for_each = { requests = "RequestCount", rejected = "HTTPCode_Target_4XX_Count", failed = "HTTPCode_Target_5XX_Count" }

  alarm_name          = "${local.name}-anomaly-${each.key}"
  alarm_description   = "${each.value} of the load balancer is outside of its usual band"
  comparison_operator = each.key == "requests" ? "LessThanLowerOrGreaterThanUpperThreshold" : "GreaterThanUpperThreshold"
  evaluation_periods  = 3
  threshold_metric_id = "band"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "band"
    expression  = "ANOMALY_DETECTION_BAND(seen, 4)"
    label       = "usual"
    return_data = true
  }

  metric_query {
    id          = "seen"
    return_data = true

    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = each.value
      stat        = "Sum"
      period      = 300
      dimensions  = { LoadBalancer = aws_lb.main.arn_suffix }
    }
  }
}

locals {
  store_alarms = {
    postgres-disk = {
      namespace  = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanThreshold"
      threshold  = var.postgres.storage_gb * 1000000000 / 10
      dimensions = { DBInstanceIdentifier = aws_db_instance.main.identifier }
    }
    postgres-cpu = {
      namespace  = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold"
      threshold  = 85
      dimensions = { DBInstanceIdentifier = aws_db_instance.main.identifier }
    }
    redis-memory = {
      namespace  = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", statistic = "Maximum", comparison = "GreaterThanThreshold"
      threshold  = 75
      dimensions = { ReplicationGroupId = aws_elasticache_replication_group.main.id }
    }
    # noeviction: any eviction means that somebody changed it.
    redis-evictions = {
      namespace  = "AWS/ElastiCache", metric = "Evictions", statistic = "Sum", comparison = "GreaterThanThreshold"
      threshold  = 0
      dimensions = { ReplicationGroupId = aws_elasticache_replication_group.main.id }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "store" {
  for_each = local.store_alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "docs/runbooks: ${each.value.metric}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  dimensions          = each.value.dimensions
  period              = 300
  evaluation_periods  = 3
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "replica_lag" {
  count = var.postgres.read_replicas

  alarm_name          = "${local.name}-replica-${count.index + 1}-lag"
  alarm_description   = "A read replica is more than a minute behind"
  namespace           = "AWS/RDS"
  metric_name         = "ReplicaLag"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 60
  dimensions          = { DBInstanceIdentifier = aws_db_instance.replica[count.index].identifier }
  period              = 60
  evaluation_periods  = 5
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# Who did what in the account.
resource "aws_cloudtrail" "main" {
  #checkov:skip=CKV2_AWS_10:Findings come from GuardDuty, which reads the same events
  #checkov:skip=CKV_AWS_252:Nobody reads a message for each file of the log
  name                          = local.name
  s3_bucket_name                = aws_s3_bucket.logs.bucket
  s3_key_prefix                 = "trail"
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  kms_key_id                    = aws_kms_key.trail.arn

  depends_on = [aws_s3_bucket_policy.logs]
}

resource "aws_kms_key" "trail" {
  description             = "${local.name}: the account's audit log"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.trail_key.json
}

data "aws_iam_policy_document" "trail_key" {
  #checkov:skip=CKV_AWS_109:A key's own policy; without the account as its owner nobody could change it
  #checkov:skip=CKV_AWS_111:A key's own policy speaks of that key alone
  #checkov:skip=CKV_AWS_356:In a key's policy "*" is the key itself
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${local.account}:root"]
    }
  }

  statement {
    sid       = "Trail"
    actions   = ["kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }
}
