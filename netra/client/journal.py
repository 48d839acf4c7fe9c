"""What an interrupted bulk submission has behind it, kept on disk so that it is not sent again.

It only saves time: without it, idempotency keys keep jobs from being made twice. So it never has
the last word: what the server no longer has, after a restore say, is sent again (`keep`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

log = logging.getLogger(__name__)


def state_folder() -> Path:
    """`$XDG_STATE_HOME/netra/bulk`, by default `~/.local/state/netra/bulk`."""
    given = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is invalid, and ignored.
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return base / "netra" / "bulk"


class Journal:
    """The jobs of rows, as lines of JSON, one for each call that the server answered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: The batch that the rows went to; None before the first answer.
        self.batch_id: str | None = None
        #: The ids of the rows' jobs, by the rows' keys.
        self.done: dict[str, str] = {}
        self._read()

    @classmethod
    def of(cls, url: str, tenant: str, name: str, folder: Path | None = None) -> Journal:
        """The journal of a batch's name at a server."""
        digest = hashlib.sha256(f"{url}\0{tenant}\0{name}".encode()).hexdigest()
        return cls((folder or state_folder()) / f"{digest[:32]}.jsonl")

    def _read(self) -> None:
        try:
            lines = self.path.read_text().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
                jobs = dict(entry["jobs"])
                self.batch_id = entry["batch_id"]
            except (ValueError, KeyError, TypeError):
                # The last line of a run that was killed while it wrote, or a line from before ids
                # were noted: those rows are sent again.
                continue
            self.done |= jobs

    def add(self, batch_id: str, jobs: Mapping[str, str]) -> None:
        """Notes that the server has these jobs, by their rows' keys; on disk when this returns."""
        self.batch_id = batch_id
        self.done |= jobs
        line = json.dumps({"batch_id": batch_id, "jobs": dict(jobs)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as f:
                # A new line first: the end of a line that a killed run left is not added to.
                f.write(f"\n{line}\n" if f.tell() else f"{line}\n")
                f.flush()
                os.fsync(f.fileno())
        except OSError as e:
            log.warning("%s: %s; an interrupted run will send everything again", self.path, e)

    def forget(self) -> None:
        """For a server that no longer has the batch: another one, or one that began anew."""
        self.batch_id = None
        self.done = {}
        self.path.unlink(missing_ok=True)

    def keep(self, there: Collection[str]) -> None:
        """Passes over the rows whose jobs are not among those that are there."""
        self.done = {key: job for key, job in self.done.items() if job in there}
