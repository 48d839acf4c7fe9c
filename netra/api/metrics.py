"""`/metrics`: what this process counted, and the queue as PostgreSQL has it."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from netra.api.services import Served
from netra.errors import NetraError
from netra.metrics import REGISTRY

log = logging.getLogger(__name__)


@get("/metrics", summary="Prometheus metrics", tags=["health"])
async def show(services: Served) -> Response[Any]:
    """Without PostgreSQL, only what the process counted of itself."""
    text = generate_latest(REGISTRY)
    queue = CollectorRegistry()
    try:
        await services.queue_metrics.refresh()
        queue.register(services.queue_metrics)
        text += generate_latest(queue)
    except NetraError as e:
        log.warning("the queue cannot be measured: %s", e)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
