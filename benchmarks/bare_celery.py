"""Celery with nothing of Netra's: what `benchmarks.jobs` compares a job with.

The worker is started as `celery --app benchmarks.bare_celery worker`, with the broker's URL in
`BARE_CELERY_URL`; results go to the same server.
"""

from __future__ import annotations

import os

from celery import Celery

URL = "BARE_CELERY_URL"

app = Celery("bare", broker=os.environ.get(URL), backend=os.environ.get(URL))
app.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


@app.task
def nothing() -> bool:
    return True


@app.task(acks_late=True, ignore_result=True)
def late() -> None:
    """Acknowledged once it is done, as work that must not be lost is."""
