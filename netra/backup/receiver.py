"""`pg_receivewal` at work: the server's log streams into a folder as it is written.

It runs without a slot, and what it reports frees nothing on the server: see `slot`.
"""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

from netra.backup import programs
from netra.settings import Settings
from netra.store import slots
from netra.store.postgres import Connection, unavailable

#: What the server calls the receivers, before what tells one from another.
NAME = slots.BACKUP_RECEIVER


class Receiver:
    """The program, started again when it has ended. It ends when this process does."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self._program = str(programs.folder(settings) / "pg_receivewal")
        # Its own: another's receiver, or one that was left behind, receives nothing for us.
        self._name = f"{NAME}-{secrets.token_hex(8)}"
        self._env = {**programs.environment(settings), "PGAPPNAME": self._name}
        self._log = folder.with_name(f"{folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def empty(self) -> bool:
        """Whether nothing has been received since the folder was last emptied."""
        return not self.partial() and not any(len(p.name) == 24 for p in self._files())

    def begin(self, segment: str) -> None:
        """Empties the folder and has the program begin with this segment."""
        # Whoever cleans temporary folders may have taken it away.
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self._files():
            path.unlink()
        # It goes on with the segment that was being written: here, not a byte of it was.
        (self.folder / f"{segment}.partial").touch()

    def start(self) -> None:
        command = [self._program, f"--directory={self.folder}", "--synchronous", "--no-loop"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                programs.tied([*command, "--no-password"]),
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def flushed(self, connection: Connection, lsn: str) -> bool:
        """Whether the log up to `lsn` lies in the folder, durably."""
        with unavailable():
            row = connection.execute(
                "SELECT count(*) AS n FROM pg_stat_replication"
                " WHERE application_name = %s AND flush_lsn >= %s::pg_lsn",
                [self._name, lsn],
            ).fetchone()
        return self.running and bool(row and row["n"])

    def whole(self) -> list[Path]:
        """Finished segments and histories of timelines, oldest first."""
        return sorted(p for p in self._files() if len(p.name) == 24 or _is_history(p))

    def partial(self) -> list[Path]:
        """The segment that is being written."""
        return sorted(p for p in self._files() if p.suffix == ".partial" and p.stat().st_size)

    def _files(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def last_words(self) -> str:
        """What it said when it ended; nothing if it was never started."""
        if self._process is None:
            return ""
        said = self._log.read_text(errors="replace").strip()[-1000:]
        return said or f"exit code {self._process.returncode}"


def _is_history(path: Path) -> bool:
    return path.suffix == ".history"
