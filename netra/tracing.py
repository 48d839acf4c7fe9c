"""Traces: one id from the request through the outbox to the stages and the report.

A job's row carries a W3C `traceparent`, and so do the facts made of it, whether or not spans are
exported. Spans are made only where an endpoint is set (`NETRA_TRACING_ENDPOINT`, or
OpenTelemetry's own `OTEL_EXPORTER_OTLP_ENDPOINT`); until then nothing of OpenTelemetry is loaded.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import time
from collections.abc import Mapping
from importlib import util
from typing import TYPE_CHECKING, Any, Protocol

from netra.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from netra.settings import Settings

_GIVEN = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})"
    r"-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
#: Spans wait at most this long before they are sent, milliseconds.
_SEND_EVERY_MS = 1000

#: A span's attributes.
Attributes = Mapping[str, str | int | float | bool]


def parse(given: str | None) -> str | None:
    """A `traceparent` that was sent to us, as version 00; None if it is not one (W3C, level 1)."""
    found = _GIVEN.fullmatch(given or "")
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return f"00-{found['trace']}-{found['span']}-{found['flags']}"


def begin() -> str:
    """The `traceparent` of a new trace."""
    random = secrets.token_hex(24)
    return f"00-{random[:32]}-{random[32:]}-01"


def trace_id(traceparent: str | None) -> str | None:
    """The id that all of a trace share, 32 hexadecimal digits."""
    return traceparent[3:35] if traceparent else None


class Span(Protocol):
    """Something that takes time. Used as a context manager; ends with it."""

    @property
    def traceparent(self) -> str | None:
        """To be handed on, so that what follows is below this span; None: nobody records it."""
        ...

    def __enter__(self) -> Span: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any, /) -> None: ...

    def rename(self, name: str) -> None: ...

    def add(self, attributes: Attributes) -> None: ...

    def fail(self, problem: str) -> None: ...


class _NoSpan:
    """Where spans are not exported: one for all, and nothing is kept."""

    traceparent = None

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any, /) -> None:
        return None

    def rename(self, name: str) -> None:
        return None

    def add(self, attributes: Attributes) -> None:
        return None

    def fail(self, problem: str) -> None:
        return None


_NO_SPAN = _NoSpan()


class _Tracing:
    """What this process exports spans with."""

    def __init__(self) -> None:
        self.provider: TracerProvider | None = None
        self.tracer: Tracer | None = None


_tracing = _Tracing()


def on() -> bool:
    """Whether this process exports spans."""
    return _tracing.tracer is not None


def span(
    name: str, parent: str | None, kind: str = "internal", attributes: Attributes | None = None
) -> Span:
    """A span below the span that `parent` (a `traceparent`) names; without one, a new trace.

    Args:
        kind: `server`, `producer`, `consumer`, `client` or `internal`.
    """
    tracer = _tracing.tracer
    if tracer is None:
        return _NO_SPAN
    from netra.tracing_spans import begin_span

    return begin_span(tracer, name, parent, kind, attributes)


def record(
    name: str,
    parent: str | None,
    began_ns: int,
    kind: str = "internal",
    attributes: Attributes | None = None,
) -> None:
    """A span from `began_ns` (Unix) until now; none without a trace that it belongs to."""
    tracer = _tracing.tracer
    if tracer is None or parent is None:
        return
    from netra.tracing_spans import begin_span

    begin_span(tracer, name, parent, kind, attributes, began_ns).end(time.time_ns())


def start(component: str, settings: Settings) -> None:
    """Begins to export this process's spans, if the settings say where to.

    Raises:
        SettingsError: they do, but OpenTelemetry is not installed.
    """
    if not settings.tracing.endpoint or on():
        return
    if not util.find_spec("opentelemetry") or not util.find_spec("opentelemetry.exporter"):
        raise SettingsError(
            f"spans are to go to {settings.tracing.endpoint}, but OpenTelemetry is not installed:"
            " pip install 'netra[otel]', or unset NETRA_TRACING_ENDPOINT and"
            " OTEL_EXPORTER_OTLP_ENDPOINT"
        )
    from netra import __version__
    from netra.tracing_spans import provider

    _tracing.provider = provider(
        settings.tracing,
        {
            "service.name": f"netra-{component}",
            "service.namespace": "netra",
            "service.version": __version__,
            "service.instance.id": f"{platform.node()}:{os.getpid()}",
            "deployment.environment.name": settings.environment,
        },
        _SEND_EVERY_MS,
    )
    _tracing.tracer = _tracing.provider.get_tracer("netra", __version__)


def stop() -> None:
    """Sends what is waiting, and exports no more."""
    provider, _tracing.provider, _tracing.tracer = _tracing.provider, None, None
    if provider is not None:
        provider.shutdown()
