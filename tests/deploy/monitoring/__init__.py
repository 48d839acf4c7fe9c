"""What the tests of metrics, dashboards, logs and traces share."""
