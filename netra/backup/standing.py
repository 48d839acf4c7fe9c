"""How a follower stands, in a file beside its heartbeat: whether what it sends gets through.

Read by `netra health backup` and `netra doctor`, so it loads next to nothing.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from netra import heartbeat
from netra.embedded import jsonfile
from netra.embedded.home import Home
from netra.errors import NetraError
from netra.settings import Settings

log = logging.getLogger(__name__)

NAME = "backup"
#: One that could not send for longer than so many of its intervals is not well.
_LATE_INTERVALS = 3


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower last said of itself."""

    pid: int
    destination: str
    #: It looks this often, seconds.
    every_s: float
    #: Everything that was committed by then is kept; None: it has not found out.
    reached: datetime | None = None
    #: Since when nothing could be sent, and why; None: what was new at the last look is kept.
    failing_since: datetime | None = None
    why: str = ""

    def is_stuck(self, now: datetime) -> bool:
        """Whether nothing has got through for longer than a store takes to come back."""
        late = timedelta(seconds=_LATE_INTERVALS * self.every_s)
        return self.failing_since is not None and now - self.failing_since > late

    def words(self, now: datetime) -> str:
        """Since when, why, and what that means for a restore."""
        if self.failing_since is None:
            return f"{self.destination} has {self._kept(now)}"
        return (
            f"nothing has got through to {self.destination} for"
            f" {(now - self.failing_since).total_seconds():.0f} s, since"
            f" {self.failing_since.isoformat(timespec='seconds')}: {self.why}; it has"
            f" {self._kept(now)}"
        )

    def _kept(self, now: datetime) -> str:
        if self.reached is None:
            return "nothing that this follower sent"
        age_s = (now - self.reached).total_seconds()
        at = self.reached.isoformat(timespec="seconds")
        return f"what was committed up to {at}, {age_s:.0f} s ago"


def place(settings: Settings, home: Home | None) -> tuple[Path, str]:
    """The folder and the name of the heartbeat of whoever follows an installation.

    It is that of the stack in `home`; where `settings` name a database, that of this user for it.
    """
    if settings.health.folder:
        return Path(settings.health.folder), NAME
    if settings.database.url or home is None:
        return heartbeat.folder(settings.health), f"{NAME}-{_digest(settings.database.url)}"
    return home.beats, NAME


def _digest(url: str) -> str:
    """The same for whoever means the same database, with whatever password."""
    parts = urlsplit(url)
    where = f"{parts.hostname or ''}:{parts.port or ''}{parts.path}"
    return hashlib.sha256(where.encode()).hexdigest()[:12]


def write(folder: Path, name: str, now: Standing) -> None:
    """One that cannot be written must not keep the follower from its work."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        jsonfile.write(_file(folder, name), msgspec.to_builtins(now), mode=0o600)
    except OSError as e:
        log.warning("how this follower stands could not be written for its probe: %s", e)


def read(folder: Path, name: str) -> Standing | None:
    """What was written there last; None if nothing was that can be read."""
    try:
        found = jsonfile.read(_file(folder, name))
        return msgspec.convert(found, Standing) if found else None
    except (NetraError, msgspec.ValidationError):
        return None


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"
