"""Absolute URLs in answers, as the caller reached the server."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.connection import ASGIConnection

from netra.schemas.job import Job

PREFIX = "/api/v1"


def linked(job: Job, connection: ASGIConnection[Any, Any, Any, Any]) -> Job:
    """The job with its URLs."""
    secure = connection.scope["scheme"] in ("https", "wss")
    host = connection.headers.get("host") or "localhost"
    web = f"http{'s' if secure else ''}://{host}"
    url = f"{web}{PREFIX}/jobs/{job.id}"
    return msgspec.structs.replace(
        job, url=url, events_url=f"{url}/events", ws_url=f"ws{'s' if secure else ''}://{host}/ws"
    )
