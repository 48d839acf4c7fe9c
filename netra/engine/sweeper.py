"""Removes now and then what losing attempts and ingests left behind.

Beside the scheduler, not in its rounds: ClickHouse may take minutes to delete, or not answer at
all, and nobody is to wait for that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

from netra.errors import NetraError
from netra.settings import Database
from netra.store import postgres

log = logging.getLogger(__name__)

#: Held by the one process that sweeps.
_ONE = "SELECT pg_try_advisory_lock(hashtext('netra_sweep')) AS mine"


class Sweeper:
    """Calls `sweep` in a thread, with a connection of its own; in one process at a time."""

    def __init__(
        self,
        database: Database,
        sweep: Callable[[postgres.Connection], None],
        *,
        every_s: float = 60.0,
    ) -> None:
        self.database = database
        self.sweep = sweep
        self.every_s = every_s
        self._stop = threading.Event()
        # It may hang in a store: the process ends without it.
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, within_s: float = 1.0) -> None:
        """Begins no more; waits a little for what is under way, which may be broken off."""
        self._stop.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while True:
            try:
                self._once()
            except (NetraError, psycopg.Error) as e:
                log.warning("swept in %.0f s: %s", self.every_s, e)
            except Exception:
                log.exception("swept in %.0f s", self.every_s)
            if self._stop.wait(self.every_s):
                return

    def _once(self) -> None:
        with postgres.connect(self.database, "sweeper") as connection:
            row = connection.execute(_ONE).fetchone()
            if row is not None and row["mine"]:
                self.sweep(connection)
