"""`/metrics`: what this process counted, and the queue as PostgreSQL has it."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from netra.api.services import Served
from netra.metrics import REGISTRY


@get("/metrics", summary="Prometheus metrics", tags=["health"])
async def show(services: Served) -> Response[Any]:
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
