"""What surrounds every request: its id, its log context, its metrics."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from netra import metrics
from netra.ids import new_id
from netra.logging import bind

log = logging.getLogger(__name__)

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Observe:
    """Wraps the whole app, so that requests without a route are seen as well."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            with (
                bind(request_id=_request_id(scope)),
                metrics.WEBSOCKET_CONNECTIONS.track_inprogress(),
            ):
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        request_id = scope["netra_request_id"] = _request_id(scope)
        status = 500
        stream = False
        begun = time.perf_counter()

        async def observed(message: Any) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message.get("headers", ())]
                headers.append((b"x-request-id", request_id.encode()))
                stream = any(v.startswith(b"text/event-stream") for _, v in headers)
            await send(message)

        with bind(request_id=request_id), metrics.ACTIVE_CONNECTIONS.track_inprogress():
            try:
                await self.app(scope, receive, observed)
            finally:
                # Paths that lead nowhere share one label: anyone can make up more.
                endpoint = scope.get("path_template") or "unmatched"
                method = scope["method"]
                metrics.HTTP_REQUESTS.labels(method, endpoint, status).inc()
                seconds = time.perf_counter() - begun
                if not stream:
                    metrics.HTTP_SECONDS.labels(method, endpoint).observe(seconds)
                log.log(
                    logging.DEBUG if endpoint.startswith("/health") else logging.INFO,
                    "%s %s %d %.1f ms",
                    method,
                    scope["path"],
                    status,
                    seconds * 1000,
                )


def _request_id(scope: Any) -> str:
    """The caller's, if it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN.fullmatch(value):
            return value.decode()
    return str(new_id())
