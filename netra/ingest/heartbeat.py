"""Signs of life of an ingest, however long a single step of it takes."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from uuid import UUID

from netra.errors import Conflict, StoreUnavailable
from netra.store import ingest
from netra.store.postgres import Connection

log = logging.getLogger(__name__)

_EVERY_S = 5.0


class Heartbeat:
    """Renews an ingest from a thread while the block runs. Nobody else may use `pg` meanwhile."""

    def __init__(self, pg: Connection, ingest_id: UUID, every_s: float = _EVERY_S) -> None:
        self._pg = pg
        self._ingest_id = ingest_id
        self._every_s = every_s
        self._over = threading.Event()
        self._lost: Conflict | None = None
        self._thread = threading.Thread(target=self._beat, name="netra-heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raises if the ingest was taken over: then going on is of no use.

        Raises:
            Conflict: it was.
        """
        if self._lost is not None:
            raise self._lost

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                ingest.heartbeat(self._pg, self._ingest_id)
            except Conflict as e:
                self._lost = e
                return
            except StoreUnavailable:
                log.warning("ingest %s cannot say that it is alive", self._ingest_id)
