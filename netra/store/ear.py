"""What PostgreSQL notifies the schedulers of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from netra.store.postgres import Connection, unavailable

#: Whoever is not the one that acts on admissions tries to become it this often, seconds.
_TRY_S = 1.0

#: A stage is ready: look now. A slot is free, and nothing was ready: look soon. Or stages that were
#: admitted by whoever submitted them, as `netra_admit_pools` answers.
Said = Literal["now", "soon"] | dict[str, Any]


class Ear:
    """Listens on a connection of its own.

    Of several schedulers one acts on stages that others admitted: two would wake two workers for
    each. It is the one that holds a lock, which ends with its connection; what it does not do
    is found at the next look of any.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._acts = False
        self._tried_at = float("-inf")
        with unavailable():
            connection.execute("LISTEN netra_wake")

    def listen(self, within_s: float) -> Iterator[Said]:
        """What was said, as soon as anything is; nothing after `within_s`."""
        with unavailable():
            self._try()
            for notice in self.connection.notifies(timeout=max(within_s, 0.0), stop_after=1):
                match notice.payload:
                    case "":
                        yield "now"
                    case "freed":
                        yield "soon"
                    case admitted if self._acts:
                        try:
                            yield msgspec.json.decode(admitted, type=dict[str, Any])
                        except msgspec.MsgspecError:
                            # Another release has more to say.
                            yield "now"
                    case _:
                        pass

    def _try(self) -> None:
        now = time.monotonic()
        if self._acts or now - self._tried_at < _TRY_S:
            return
        self._tried_at = now
        cursor = self.connection.execute(
            "SELECT pg_try_advisory_lock(hashtext('netra_ear')) AS acts"
        )
        row = cursor.fetchone()
        self._acts = bool(row and row["acts"])
