"""Serves one engine at one address."""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from netra.embedded.clickhouse.engine import Engine
from netra.embedded.clickhouse.exchange import Exchange


@dataclass(frozen=True, kw_only=True)
class Access:
    """The one user that may ask."""

    user: str
    password: str

    def allows(self, user: str, password: str) -> bool:
        # Both are always compared, so that time tells nothing of which was wrong.
        known = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and known


class Activity:
    """How many statements run. Entered by each, it tells when none does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._ended = 0

    def __enter__(self) -> None:
        with self._changed:
            self._running += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._running -= 1
            self._ended += 1
            self._changed.notify_all()

    def ended(self) -> int:
        """How many statements have ended so far."""
        return self._ended

    def quiet(self, timeout_s: float) -> bool:
        """Waits until no statement runs; whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, timeout_s)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What every connection needs to answer."""

    engine: Engine
    access: Access
    #: Where long inserts wait for the engine.
    spool: Path
    activity: Activity = field(default_factory=Activity)


class ClickHouseServer(ThreadingHTTPServer):
    """Listens until `shutdown`; a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        super().__init__(address, partial(Exchange, service))
