"""`/metrics`: what this process counted, and the queue as PostgreSQL has it.

With a key on the API's own port, and without one on the port that `metrics.port` names.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from netra import metrics_server
from netra.api.answer import Answer
from netra.api.health import beside_postgres
from netra.api.services import Served, Services
from netra.errors import NetraError
from netra.metrics import DATABASE_POOL, STORE_UP

log = logging.getLogger(__name__)

#: PostgreSQL is waited for this long, seconds; Prometheus itself gives up after ten.
_PATIENCE_S = 8.0
#: What the pool calls what is shown.
_POOL_STATS = {"open": "pool_size", "idle": "pool_available", "waiting": "requests_waiting"}


@get("/metrics", summary="Prometheus metrics", tags=["health"])
async def show(services: Served) -> Response[Any]:
    """Without PostgreSQL, only what the process counted of itself."""
    return Answer(await text(services), media_type=CONTENT_TYPE_LATEST)


async def text(services: Services) -> bytes:
    """All metrics, as Prometheus reads them."""
    stats = services.pool.get_stats()
    for state, name in _POOL_STATS.items():
        DATABASE_POOL.labels(state).set(stats.get(name, 0))
    stores, measured = await asyncio.gather(beside_postgres(services), _measure(services))
    for store, answers in stores.items():
        STORE_UP.labels(store).set(answers)
    own = metrics_server.own()
    if not measured:
        return own
    queue = CollectorRegistry()
    queue.register(services.queue_metrics)
    return own + generate_latest(queue)


async def _measure(services: Services) -> bool:
    """Reads the queue; whether it could be read."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await services.queue_metrics.refresh()
    except (NetraError, TimeoutError) as e:
        log.warning("the queue cannot be measured: %s", str(e) or "PostgreSQL is too slow")
        return False
    return True


def serve(services: Services) -> None:
    """Serves them on a port of their own too, if there is one. Call it on the event loop."""
    loop = asyncio.get_running_loop()

    def awaited() -> bytes:
        return asyncio.run_coroutine_threadsafe(text(services), loop).result(2 * _PATIENCE_S)

    metrics_server.start(services.settings.metrics, awaited)
