# Production: full size.
environment = "production"
project     = "netra-production"
domain      = "netra.example.com"
alarm_email = "oncall@netra.example.com"
