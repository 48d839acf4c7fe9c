"""Follows the stores between backups, so that a disaster costs seconds and not hours.

At each look: the rows that became visible in ClickHouse, then PostgreSQL's log, then how far both
reach. In this order what is said to be kept is: a time up to which the log is kept, and with it
every row that PostgreSQL called visible by then.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import psycopg

from netra.backup import clickhouse as clickhouse_backups
from netra.backup import manifest as manifests
from netra.backup import postgres as postgres_backups
from netra.backup import rows, slot, timeline, wal
from netra.backup.ages import Ages
from netra.backup.claim import Claim
from netra.backup.destination import Destination
from netra.backup.errors import BackupFailed
from netra.backup.owner import Owner
from netra.backup.receiver import Receiver
from netra.backup.scratch import scratch
from netra.backup.standing import Standing
from netra.backup.timeline import Line
from netra.errors import Conflict, NetraError, StoreUnavailable
from netra.settings import Settings
from netra.store import clickhouse, postgres

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

#: The receiver is waited for this long at each look, seconds.
_PATIENCE_S = 30.0
#: And this long at the last one, after it was told to stop.
_LAST_PATIENCE_S = 10.0
#: So often a segment is asked for that the slot does not hold.
_TRIES = 3
#: Whoever holds this lock of the database follows it.
_LOCK = "netra-backup-follow"


class Elsewhere(Conflict):
    """Another process does this work."""


class Follower:
    """Sends the log and new rows to the destination until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
        beat: Callable[[], None] = lambda: None,
        tell: Callable[[Standing], None] = lambda _: None,
    ) -> None:
        """
        Args:
            beat: a sign of life, given at each look and after each file of rows.
            tell: is told after each look how this follower stands.
        """
        self.settings = settings
        self.destination = destination
        self.beat = beat
        self.tell = tell
        self.stop = threading.Event()
        #: How often everything was sent.
        self.looks = 0
        self._claim = Claim(settings, destination)
        self._standing = Standing(
            pid=os.getpid(), destination=destination.url, every_s=settings.backup.follow_s
        )
        self._since: datetime | None = None
        self._results: set[tuple[UUID, int]] = set()
        self._sent: set[str] = set()
        self._last_lsn = ""
        self._refused = 0
        self._ages = Ages()

    def run(self) -> bool:
        """Blocks until `stop` is set, then sends what is new once more.

        A store that is away is waited for, and so is another follower of the same database.

        Returns:
            Whether what was new at the end was sent, by this follower or the one it waited for.
        """
        with scratch(self.settings) as folder:
            spool = folder / "wal"
            spool.mkdir()
            receiver = Receiver(self.settings, spool)
            self.beat()
            try:
                sent = True
                while not self.stop.is_set():
                    began = time.monotonic()
                    sent = self._is_sent(receiver, folder)
                    self.beat()
                    self.stop.wait(max(1.0, self.settings.backup.follow_s - _since(began)))
                if not sent and not self._is_sent(receiver, folder):
                    now = datetime.now(UTC)
                    log.error(
                        "told to stop, and what is new was NOT sent: %s. The server keeps its log"
                        " for the next follower (up to max_slot_wal_keep_size): start one before"
                        " this server is given up",
                        self._standing.words(now),
                    )
                    return False
                return True
            finally:
                receiver.stop()

    def _is_sent(self, receiver: Receiver, folder: Path) -> bool:
        """Follows until `stop` is set or something fails; whether all that was new is sent."""
        try:
            self._connected(receiver, folder)
        except Elsewhere as e:
            log.warning("%s", e)
        except (NetraError, psycopg.Error, OSError) as e:
            log.error("what is new could not be sent, trying again: %s", e)
            self._stands(failing=str(e))
            return False
        return True

    def _stands(self, *, failing: str = "", reached: datetime | None = None) -> None:
        before = self._standing
        self._standing = msgspec.structs.replace(
            before,
            reached=reached or before.reached,
            failing_since=(before.failing_since or datetime.now(UTC)) if failing else None,
            why=failing,
        )
        self.tell(self._standing)

    def _connected(self, receiver: Receiver, folder: Path) -> None:
        with postgres.connect(self.settings.database, "backup") as pg:
            _alone(pg)
            client = clickhouse.connect(self.settings.clickhouse)
            try:
                while not self.stop.is_set():
                    began = time.monotonic()
                    self.look(pg, client, receiver, folder)
                    self.beat()
                    self.stop.wait(max(0.0, self.settings.backup.follow_s - _since(began)))
                self.look(pg, client, receiver, folder)
            finally:
                client.close()

    def look(
        self, pg: postgres.Connection, client: Client, receiver: Receiver, folder: Path
    ) -> None:
        """Sends what is new, then notes how far all that is kept reaches."""
        owner = self._claim.hold(pg, folder)
        row = pg.execute(
            "SELECT clock_timestamp() AS now, pg_current_wal_insert_lsn()::text AS lsn"
        ).fetchone()
        assert row is not None
        if not self.looks and (last := wal.position(self.destination, owner.system)):
            self._ages.reached(last.at)
            self._standing = msgspec.structs.replace(self._standing, reached=last.at)
        self._send_rows(pg, client, folder, row["now"])
        if row["lsn"] != self._last_lsn:
            self._last_lsn = self._send_log(pg, receiver, folder, owner)
        self._claim.note(row["now"], self._last_lsn, over=self.stop.is_set())
        self._ages.reached(row["now"])
        self._ages.backups(self.destination)
        self._stands(reached=row["now"])
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
        self, pg: postgres.Connection, receiver: Receiver, folder: Path, owner: Owner
    ) -> str:
        """Sends the log up to now and returns the LSN it reaches."""
        system = owner.system
        self._receive(pg, receiver, owner)
        # Before anything is waited for: a receiver without room goes on when this is done.
        self._send_whole(receiver, folder, system)
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
        self._send_whole(receiver, folder, system)
        # Not where the log is now: what was committed while this was sent is the next look's.
        self._free(pg, receiver)
        return row["lsn"]

    def _send_whole(self, receiver: Receiver, folder: Path, system: str) -> None:
        for path in receiver.whole():
            if path.name not in self._sent:
                wal.send(self.destination, system, path, folder)
                self._sent.add(path.name)
                self._outdate(system, path.name, keep=0)
        for path in [p for p in receiver.whole() if len(p.name) == 24][:-2]:
            path.unlink()

    def _receive(self, pg: postgres.Connection, receiver: Receiver, owner: Owner) -> None:
        """Starts the receiver if it does not run: where it was, or where the destination ends."""
        if receiver.running:
            return
        if said := receiver.last_words():
            log.error("pg_receivewal had ended: %s", said)
        kept_from = slot.ensure(pg)
        if receiver.empty:
            line = owner.line
            receiver.begin(line.name(self._first(pg, owner.system, line, kept_from, said)))
        receiver.start()

    def _first(
        self, pg: postgres.Connection, system: str, line: Line, kept_from: str, said: str
    ) -> int:
        """The number of the segment to begin with."""
        backups = manifests.listed(self.destination, postgres_backups.STORE)
        wanted = wal.next_wanted(self.destination, system, line, backups)
        held = timeline.number(kept_from)
        if wanted is None:
            return held
        row = pg.execute("SELECT pg_current_wal_lsn()::text AS lsn").fetchone()
        assert row is not None
        if wanted > timeline.number(row["lsn"]) + 1:
            raise BackupFailed(
                f"{self.destination.url} holds log of this PostgreSQL up to segment"
                f" {line.name(wanted - 1)}, and the server is at {row['lsn']} only: it was put back"
                " to an earlier state by other means; give it a NETRA_BACKUP_URL of its own"
            )
        if wanted >= held:
            return wanted
        # The server need not have it any more; it was tried, and said so.
        self._refused = self._refused + 1 if said else 0
        if self._refused < _TRIES and "removed" not in said:
            return wanted
        log.error(
            "the log has a hole: segments %s to %s are neither kept nor on the server any more."
            " What was committed between the last moment before it and the next backup cannot be"
            " restored; take a full backup now: netra backup take postgres",
            line.name(wanted),
            line.name(held - 1),
        )
        return held

    def _free(self, pg: postgres.Connection, receiver: Receiver) -> None:
        """Lets the server remove what the destination holds."""
        sent = [wal.number_of(n) for n in self._sent if len(n) == 24]
        if sent:
            try:
                slot.advance(pg, max(sent) + 1)
            except psycopg.Error as e:
                # What is kept is kept; the server holds more than it must.
                log.error("the slot %s cannot be moved on: %s", slot.SLOT, e)
        # What lies in the spool no more need not be remembered.
        self._sent &= {path.name for path in receiver.whole()}

    def _await(self, pg: postgres.Connection, receiver: Receiver, lsn: str) -> None:
        began = time.monotonic()
        while not receiver.flushed(pg, lsn):
            patience = _LAST_PATIENCE_S if self.stop.is_set() else _PATIENCE_S
            if not receiver.running or _since(began) > patience:
                words = receiver.last_words() if not receiver.running else ""
                raise StoreUnavailable(
                    f"pg_receivewal has not received the log up to {lsn} {words}"
                )
            time.sleep(0.05)

    def _outdate(self, system: str, segment: str, keep: int) -> None:
        """Deletes what was sent of a segment while it was being written, but the last `keep`."""
        prefix = f"{wal.folder(system)}/{segment}."
        sent = [n for n in self.destination.names(wal.folder(system)) if n.startswith(prefix)]
        for name in sent[: len(sent) - keep]:
            self.destination.delete(name)


def _since(began: float) -> float:
    return time.monotonic() - began


def _alone(pg: postgres.Connection) -> None:
    """Takes the database's lock, for as long as the connection lives. Raises Elsewhere."""
    row = pg.execute(
        "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS ok", [_LOCK]
    ).fetchone()
    if not (row and row["ok"]):
        raise Elsewhere("another netra backup follow follows this database; run one of it")
