"""Spans by OpenTelemetry's own library; loaded only where spans are exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from netra.settings import Tracing

#: A span's attributes.
Attributes = Mapping[str, str | int | float | bool]

_KINDS = {kind.name.lower(): kind for kind in SpanKind}


def provider(settings: Tracing, resource: Mapping[str, str], send_every_ms: int) -> TracerProvider:
    """Sends spans over HTTP (OTLP) in batches, from a thread of its own."""
    made = TracerProvider(
        resource=Resource(dict(resource)),
        # A caller that traces has already decided; else so many of the traces that begin here.
        sampler=ParentBased(TraceIdRatioBased(settings.sample)),
        shutdown_on_exit=True,
    )
    exporter = OTLPSpanExporter(endpoint=traces_url(settings.endpoint), timeout=settings.timeout_s)
    made.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=send_every_ms))
    return made


def traces_url(endpoint: str) -> str:
    """Where a collector takes traces: under `/v1/traces` of its address (OTLP, section HTTP)."""
    stripped = endpoint.rstrip("/")
    return stripped if stripped.endswith("/v1/traces") else f"{stripped}/v1/traces"


class RecordedSpan:
    """A span that is exported when it ends."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        context = span.get_span_context()
        self.traceparent = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any, /) -> None:
        if isinstance(error, Exception):
            self.span.record_exception(error)
            self.fail(f"{type(error).__name__}: {error}")
        self.span.end()

    def end(self, ended_ns: int) -> None:
        """Ends it at a time of its own (Unix)."""
        self.span.end(ended_ns)

    def rename(self, name: str) -> None:
        self.span.update_name(name)

    def add(self, attributes: Attributes) -> None:
        self.span.set_attributes(dict(attributes))

    def fail(self, problem: str) -> None:
        self.span.set_status(Status(StatusCode.ERROR, problem))


def begin_span(
    tracer: trace.Tracer,
    name: str,
    parent: str | None,
    kind: str,
    attributes: Attributes | None,
    began_ns: int | None = None,
) -> RecordedSpan:
    """A span that has begun, now or at `began_ns` (Unix)."""
    span = tracer.start_span(
        name, _context(parent), _KINDS[kind], attributes=attributes, start_time=began_ns
    )
    return RecordedSpan(span)


def _context(parent: str | None) -> Any:
    """The context that a well-formed `traceparent` stands for; an empty one without it."""
    from opentelemetry.context import Context

    if parent is None:
        return Context()
    _, trace_id, span_id, flags = parent.split("-")
    context = SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16) & 1),
    )  # fmt: skip
    return trace.set_span_in_context(NonRecordingSpan(context), Context())
