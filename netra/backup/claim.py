"""The right of one follower to a destination, asked for before anything is sent there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from netra.backup import owner as owners
from netra.backup import wal
from netra.backup.destination import Destination
from netra.backup.owner import Owner
from netra.backup.sweep import sweep
from netra.settings import Settings
from netra.store.postgres import Connection


@dataclass
class Claim:
    """Held from one look to the next, and asked for anew when it was lost."""

    settings: Settings
    destination: Destination
    owner: Owner | None = None

    def hold(self, pg: Connection, scratch: Path) -> Owner:
        """The server that is followed, which may keep its log there.

        Raises:
            NotOurs: it may not; nothing was written.
            StoreUnavailable: PostgreSQL or the destination does not answer.
        """
        now = owners.known(owners.of(self.settings, pg, history=False))
        held, self.owner = self.owner, None
        if held and (held.system, held.timeline) == (now.system, now.timeline):
            owners.refuse_superseded(self.destination, held)
            owners.refuse_second(self.destination, held)
        else:
            held = owners.known(owners.of(self.settings, pg))
            owners.refuse(self.destination, held)
            owners.refuse_second(self.destination, held)
            owners.claim(self.destination, held, scratch)
            sweep(self.destination)
        self.owner = held
        return held

    def note(self, at: datetime, lsn: str, *, over: bool) -> None:
        """Says that all that is kept reaches so far; `over`: nothing follows."""
        assert self.owner is not None
        by = owners.writer(datetime.now(UTC), self.settings.backup.follow_s, over=over)
        position = wal.Position(at=at, lsn=lsn, timeline=self.owner.timeline, by=by)
        wal.reached(self.destination, self.owner.system, position)
