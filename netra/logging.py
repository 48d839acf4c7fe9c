"""Logs: one JSON object a line, with the job, stage, tenant and trace that are bound at the time.

`docs/observability.md` and `deploy/monitoring/log-line.schema.json` say what a line holds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

from netra.settings import Logging

#: What a line may hold beside what every line holds; whatever else is bound or given stands under
#: its own name too, and is no part of what others may rely on.
CONTEXT = (
    *("request_id", "client", "trace_id", "span_id", "tenant_id", "key_name", "job_id"),
    *("stage", "stage_id", "attempt", "agent", "pool", "seconds", "outcome", "admitted"),
)

_bound: ContextVar[dict[str, Any] | None] = ContextVar("netra_log_context", default=None)


class bind:  # noqa: N801 - used like a function
    """Adds `values` to every line logged inside the block."""

    __slots__ = ("_token", "_values")

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _bound.set({**(_bound.get() or {}), **self._values})

    def __exit__(self, *error: object) -> None:
        _bound.reset(self._token)


def note(**values: Any) -> None:
    """Adds `values` to every line logged from here to the end of the block of the last `bind`."""
    _bound.set({**(_bound.get() or {}), **values})


class JsonFormatter(logging.Formatter):
    def __init__(self, component: str) -> None:
        super().__init__()
        self.component = component
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "component": self.component,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if bound := _bound.get():
            line.update((k, v) for k, v in bound.items() if v is not None)
        for name in CONTEXT:
            if (value := record.__dict__.get(name)) is not None:
                line[name] = value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return self._encode(line).decode()
        except (TypeError, ValueError, UnicodeError):
            # A line with a stray surrogate is worth more than none.
            return json.dumps(line, default=str)


def configure(component: str, settings: Logging) -> None:
    """Sends all that this process says to standard output: logs, warnings, its last words."""
    handler = logging.StreamHandler(sys.stdout)
    if settings.format == "json":
        handler.setFormatter(JsonFormatter(component))
    else:
        handler.setFormatter(
            logging.Formatter(f"%(asctime)s {component} %(levelname)s %(message)s")
        )
    # What no line shows need not be looked up for each (the library's own HOWTO, "Optimization").
    for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, None)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _last_words
    threading.excepthook = lambda a: _last_words(a.exc_type, a.exc_value, a.exc_traceback)


def _last_words(kind: Any, error: BaseException | None, trace: Any) -> None:
    """What ends a process or a thread is a line like any other, not twenty without a time."""
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("netra").critical("%s: %s", kind.__name__, error, exc_info=error)


def say(logger: str, message: str) -> None:
    """Writes a line where logging itself is not safe: within the handler of a signal."""
    record = logging.LogRecord(logger, logging.INFO, "", 0, message, None, None)
    for handler in logging.getLogger().handlers:
        os.write(sys.stdout.fileno(), f"{handler.format(record)}\n".encode())
