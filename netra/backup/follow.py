"""Follows the stores between backups, so that a disaster costs seconds and not hours.

At each look: the rows that became visible in ClickHouse, then PostgreSQL's log, then how far both
reach. In this order what is said to be kept is: a time up to which the log is kept, and with it
every row that PostgreSQL called visible by then.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from netra.backup import clickhouse as clickhouse_backups
from netra.backup import manifest as manifests
from netra.backup import rows, wal
from netra.backup.destination import Destination
from netra.backup.receiver import Receiver
from netra.backup.scratch import scratch
from netra.errors import NetraError, StoreUnavailable
from netra.settings import Settings
from netra.store import clickhouse, postgres

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

#: The receiver is waited for this long at each look, seconds.
_PATIENCE_S = 30.0


class Follower:
    """Sends the log and new rows to the destination until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            beat: a sign of life, given at each look and after each file of rows.
        """
        self.settings = settings
        self.destination = destination
        self.beat = beat
        self.stop = threading.Event()
        #: How often everything was sent.
        self.looks = 0
        self._since: datetime | None = None
        self._results: set[tuple[UUID, int]] = set()
        self._sent: set[str] = set()
        self._last_lsn = ""

    def run(self) -> None:
        """Blocks until `stop` is set; a store that is away is waited for."""
        with scratch(self.settings) as folder:
            spool = folder / "wal"
            spool.mkdir()
            receiver = Receiver(self.settings, spool)
            self.beat()
            try:
                while not self.stop.is_set():
                    began = time.monotonic()
                    try:
                        self._connected(receiver, folder)
                    except (NetraError, psycopg.Error, OSError) as e:
                        log.error("what is new could not be sent, trying again: %s", e)
                    self.beat()
                    self.stop.wait(max(1.0, self.settings.backup.follow_s - _since(began)))
            finally:
                receiver.stop()

    def _connected(self, receiver: Receiver, folder: Path) -> None:
        with postgres.connect(self.settings.database, "backup") as pg:
            client = clickhouse.connect(self.settings.clickhouse)
            try:
                self.resume(pg, receiver)
                while not self.stop.is_set():
                    began = time.monotonic()
                    if said := receiver.keep_running(pg):
                        log.error("pg_receivewal had ended: %s", said)
                    self.look(pg, client, receiver, folder)
                    self.beat()
                    self.stop.wait(max(0.0, self.settings.backup.follow_s - _since(began)))
            finally:
                client.close()

    def resume(self, pg: postgres.Connection, receiver: Receiver) -> None:
        """Lets the receiver go on where what is kept of the log ends, before it runs first."""
        system = _system(pg)
        if segment := wal.resume_at(wal.listed(self.destination, system)):
            receiver.begin_at(pg, segment)

    def look(
        self, pg: postgres.Connection, client: Client, receiver: Receiver, folder: Path
    ) -> None:
        """Sends what is new, then notes how far all that is kept reaches."""
        row = pg.execute(
            "SELECT clock_timestamp() AS now, pg_current_wal_insert_lsn()::text AS lsn,"
            " (SELECT system_identifier::text FROM pg_control_system()) AS system"
        ).fetchone()
        assert row is not None
        self._send_rows(pg, client, folder, row["now"])
        if row["lsn"] != self._last_lsn:
            self._last_lsn = self._send_log(pg, receiver, folder, row["system"])
        position = wal.Position(at=row["now"], lsn=self._last_lsn)
        wal.reached(self.destination, row["system"], position)
        self.looks += 1

    def _send_rows(
        self, pg: postgres.Connection, client: Client, folder: Path, now: datetime
    ) -> None:
        since = self._since or self._covered(now)
        rows.send(client, pg, self.destination, since - rows.OVERLAP, folder, self.beat)
        self._results = rows.send_results(
            client, pg, self.destination, since, self._results, folder
        )
        self._since = now

    def _covered(self, now: datetime) -> datetime:
        """What is older than this is in a backup of ClickHouse, or will be in the first one."""
        found = manifests.listed(self.destination, clickhouse_backups.STORE)
        return found[-1].began_at if found else now

    def _send_log(
        self, pg: postgres.Connection, receiver: Receiver, folder: Path, system: str
    ) -> str:
        """Sends the log up to now and returns the LSN it reaches."""
        # A commit behind everything seen so far: a restore to a time before it finds its end.
        pg.execute("SELECT pg_logical_emit_message(true, 'netra-backup', '')")
        row = pg.execute("SELECT pg_current_wal_flush_lsn()::text AS lsn").fetchone()
        assert row is not None
        self._await(pg, receiver, row["lsn"])
        # First what is being written: what is finished meanwhile is then found whole.
        for path in receiver.partial():
            copy = folder / path.name
            try:
                shutil.copyfile(path, copy)
            except FileNotFoundError:
                continue
            wal.send(self.destination, system, copy, folder, until=row["lsn"])
            copy.unlink()
            self._outdate(system, path.name.removesuffix(".partial"), keep=1)
        for path in receiver.whole():
            if path.name not in self._sent:
                wal.send(self.destination, system, path, folder)
                self._sent.add(path.name)
                self._outdate(system, path.name, keep=0)
        for path in receiver.whole()[:-2]:
            path.unlink()
        # Not where the log is now: what was committed while this was sent is the next look's.
        return row["lsn"]

    def _await(self, pg: postgres.Connection, receiver: Receiver, lsn: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not receiver.flushed(pg, lsn):
            receiver.keep_running(pg)
            if time.monotonic() > deadline or self.stop.is_set():
                raise StoreUnavailable(f"pg_receivewal has not received the log up to {lsn}")
            time.sleep(0.05)

    def _outdate(self, system: str, segment: str, keep: int) -> None:
        """Deletes what was sent of a segment while it was being written, but the last `keep`."""
        prefix = f"{wal.folder(system)}/{segment}."
        sent = [n for n in self.destination.names(wal.folder(system)) if n.startswith(prefix)]
        for name in sent[: len(sent) - keep]:
            self.destination.delete(name)


def _system(pg: postgres.Connection) -> str:
    row = pg.execute("SELECT system_identifier::text AS id FROM pg_control_system()").fetchone()
    assert row is not None
    return row["id"]


def _since(began: float) -> float:
    return time.monotonic() - began
