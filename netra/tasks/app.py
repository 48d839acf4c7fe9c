"""The Celery app: a lossy, duplicating wake-up signal, and nothing more (ADR 0003)."""

from __future__ import annotations

from celery import Celery

from netra import settings as settings_module
from netra.settings import Settings

#: The one task: `(stage_id, admission)`.
WAKE = "netra.wake"


def queue_name(pool: str) -> str:
    return f"netra.{pool}"


def configured(settings: Settings) -> Celery:
    """An app on the broker of `settings`."""
    app = Celery("netra", broker=settings.redis.url, include=["netra.tasks.wake"])
    app.conf.update(
        # The lease recovers lost work, not the broker: acknowledge early, keep no results.
        task_acks_late=False,
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=queue_name("cpu"),
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
        broker_transport="netra.tasks.broker:Transport",
        worker_consumer="netra.tasks.consumer:Consumer",
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
            "health_check_interval": 10,
        },
    )
    return app


app = configured(settings_module.of_process())
