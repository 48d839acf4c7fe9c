# Production: full size. The ids of the group, the certificate and the subscription are the
# customer's, and given at apply: TF_VAR_admin_group_ids, TF_VAR_certificate_secret_id,
# TF_VAR_subscription_id.
environment = "production"
domain      = "netra.example.com"
alarm_email = "oncall@netra.example.com"
