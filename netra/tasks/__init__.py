"""The Celery app and its thin task: a message is a wake-up, the work is claimed in PostgreSQL."""
