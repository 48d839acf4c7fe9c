"""What surrounds every request: its id, its trace, its log context, its metrics."""

from __future__ import annotations

import logging
import re
import time
from functools import lru_cache
from typing import Any

from netra import metrics, tracing
from netra.ids import new_id
from netra.logging import bind
from netra.tracing import Span

log = logging.getLogger(__name__)

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
#: What a request may do; whatever else somebody makes up shares one label.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# Found again by labels that are the same, not made anew: their text is what costs.
_requests = lru_cache(maxsize=None)(metrics.HTTP_REQUESTS.labels)
_seconds = lru_cache(maxsize=None)(metrics.HTTP_SECONDS.labels)


def traceparent_of(request: Any) -> str:
    """The trace that a request belongs to, as it is handed on: of its span, where one is made."""
    return request.scope["netra_traceparent"]


def note_job(request: Any, job_id: str) -> None:
    """Puts the job that a request made on the request's line in the log."""
    request.scope["netra_job_id"] = job_id


class Observe:
    """Wraps the whole app, so that requests without a route are seen as well."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            traceparent = scope["netra_traceparent"] = _given_trace(scope) or tracing.begin()
            with (
                bind(
                    request_id=_request_id(scope),
                    trace_id=tracing.trace_id(traceparent),
                    client=_client(scope),
                ),
                metrics.WEBSOCKET_CONNECTIONS.track_inprogress(),
            ):
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        request_id = scope["netra_request_id"] = _request_id(scope)
        given = _given_trace(scope)
        with tracing.span(scope["method"], given, "server") as span:
            traceparent = scope["netra_traceparent"] = span.traceparent or given or tracing.begin()
            context: dict[str, Any] = {
                "request_id": request_id,
                "trace_id": tracing.trace_id(traceparent),
                "client": _client(scope),
            }
            if span.traceparent:
                context["span_id"] = span.traceparent[36:52]
            metrics.ACTIVE_CONNECTIONS.inc()
            try:
                with bind(**context):
                    await self._answer(scope, receive, send, span)
            finally:
                metrics.ACTIVE_CONNECTIONS.dec()

    async def _answer(self, scope: Any, receive: Any, send: Any, span: Span) -> None:
        status = 500
        stream = False
        begun = time.perf_counter()
        ids = (
            (b"x-request-id", scope["netra_request_id"].encode()),
            # W3C Trace Context, level 2: so that who sent no trace can find the one begun here.
            (b"traceresponse", scope["netra_traceparent"].encode()),
        )

        async def observed(message: Any) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message.get("headers", ()), *ids]
                stream = any(v.startswith(b"text/event-stream") for _, v in headers)
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - begun
            # Paths that lead nowhere share one label: anyone can make up more.
            endpoint = scope.get("path_template") or "unmatched"
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _requests(method, endpoint, status).inc()
            if not stream:
                _seconds(method, endpoint).observe(seconds)
            if tracing.on():
                _describe(span, scope, endpoint, status)
            _log(scope, endpoint, status, seconds)


def _log(scope: Any, endpoint: str, status: int, seconds: float) -> None:
    user = scope.get("user")
    log.log(
        logging.DEBUG if endpoint.startswith("/health") else logging.INFO,
        "%s %s %d %.1f ms",
        scope["method"],
        scope["path"],
        status,
        seconds * 1000,
        extra={
            "tenant_id": user.tenant_id if user else None,
            # With the key's name the line is the audit log's: who did what.
            "key_name": user.key_name if user else None,
            "job_id": scope.get("netra_job_id"),
            "seconds": round(seconds, 6),
        },
    )


def _describe(span: Span, scope: Any, endpoint: str, status: int) -> None:
    """Names and attributes of OpenTelemetry's conventions for HTTP servers."""
    span.rename(f"{scope['method']} {endpoint}")
    span.add(
        {
            "http.request.method": scope["method"],
            "http.route": endpoint,
            "http.response.status_code": status,
            "url.path": scope["path"],
            "netra.request_id": scope["netra_request_id"],
        }
    )
    if job := scope.get("netra_job_id"):
        span.add({"netra.job_id": job})
    if status >= 500:
        span.fail(f"answered {status}")


def _given_trace(scope: Any) -> str | None:
    """The caller's trace, if it sent one that is well-formed."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return tracing.parse(value.decode("latin-1"))
    return None


def _client(scope: Any) -> str | None:
    """Whose address calls: the peer's, or the one that a trusted proxy names."""
    return scope["client"][0] if scope.get("client") else None


def _request_id(scope: Any) -> str:
    """The caller's, if it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN.fullmatch(value):
            return value.decode()
    return str(new_id())
