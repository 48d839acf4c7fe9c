"""`pg_receivewal` at work: the server's log streams into a folder as it is written."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import psycopg

from netra.backup import programs
from netra.settings import Settings
from netra.store.postgres import Connection, unavailable

log = logging.getLogger(__name__)

#: The server keeps what this slot has not been sent.
SLOT = "netra_backup"
#: What the server calls the receiver.
NAME = "netra-backup-wal"


class Receiver:
    """The program, started again when it has ended."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self._program = str(programs.folder(settings) / "pg_receivewal")
        self._env = {**programs.environment(settings), "PGAPPNAME": NAME}
        self._log = folder.with_name(f"{folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._first: Path | None = None

    def keep_running(self, connection: Connection) -> str | None:
        """Starts it if it does not run. Returns what it said if it had ended."""
        if self._process is not None and self._process.poll() is None:
            return None
        said = self._last_words() if self._process is not None else None
        if self._process is not None and self._first and _is_empty(self._first):
            self._first.unlink()  # nothing came of it: the server has it no more
        _ensure_slot(connection)
        command = [self._program, f"--directory={self.folder}", f"--slot={SLOT}"]
        command += ["--synchronous", "--no-loop", "--no-password"]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return said

    def begin_at(self, connection: Connection, segment: str) -> None:
        """Lets it begin at a segment, if the server still has that, and not where the slot is.

        The slot moves on with what lies in the folder, and a folder may be lost with a machine
        before all of it was sent on. Does nothing once it has run.
        """
        if self._process is not None or any(self.folder.iterdir()):
            return
        try:
            row = connection.execute(
                "SELECT count(*) AS n FROM pg_ls_waldir() WHERE name = %s", [segment]
            ).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            log.warning("the role may not list the log (pg_monitor): it begins where the slot is")
            return
        if row and row["n"]:
            # The program begins where the newest file in its folder does.
            self._first = self.folder / f"{segment}.partial"
            self._first.touch()

    def flushed(self, connection: Connection, lsn: str) -> bool:
        """Whether the log up to `lsn` lies in the folder, durably."""
        with unavailable():
            row = connection.execute(
                "SELECT count(*) AS n FROM pg_stat_replication"
                " WHERE application_name = %s AND flush_lsn >= %s::pg_lsn",
                [NAME, lsn],
            ).fetchone()
        return bool(row and row["n"])

    def whole(self) -> list[Path]:
        """Finished segments and histories of timelines, oldest first."""
        return sorted(p for p in self.folder.iterdir() if len(p.name) == 24 or _is_history(p))

    def partial(self) -> list[Path]:
        """The segment that is being written."""
        return sorted(self.folder.glob("*.partial"))

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace").strip()[-1000:]


def _is_empty(path: Path) -> bool:
    return path.exists() and path.stat().st_size == 0


def _is_history(path: Path) -> bool:
    return path.suffix == ".history"


def _ensure_slot(connection: Connection) -> None:
    """Makes the slot if there is none, or anew if the server gave up keeping its part of the log.

    Then the kept log has a hole, which restores find: a full backup after it closes the matter.
    """
    with unavailable():
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE slot_name = %s AND wal_status = 'lost' AND NOT active",
            [SLOT],
        )
        connection.execute(
            "SELECT pg_create_physical_replication_slot(%s, true) WHERE NOT EXISTS"
            " (SELECT 1 FROM pg_replication_slots WHERE slot_name = %s)",
            [SLOT, SLOT],
        )
