"""Timelines: the log forks where a restored server begins to write, and the numbers go on.

A segment in which a fork lies is that of the newer timeline: it begins with a copy of the older.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from netra.errors import StoreUnavailable
from netra.settings import Settings
from netra.store import postgres

SEGMENT_BYTES = 16 << 20
_PER_HIGH = (1 << 32) // SEGMENT_BYTES


@dataclass(frozen=True)
class Line:
    """A timeline and those that it came from."""

    #: Each with the place (a byte of the log) at which it begins, oldest first, itself last.
    begins: tuple[tuple[int, int], ...]

    @property
    def timeline(self) -> int:
        return self.begins[-1][0]

    def of(self, number: int) -> int:
        """The timeline that the segment of this number belongs to."""
        return next(t for t, at in reversed(self.begins) if at // SEGMENT_BYTES <= number)

    def name(self, number: int) -> str:
        """The name of the segment of this number."""
        return f"{self.of(number):08X}{number // _PER_HIGH:08X}{number % _PER_HIGH:08X}"

    def has(self, timeline: int, lsn: str) -> bool:
        """Whether what `timeline` held up to an LSN is a part of this line."""
        ends = {t: at for (t, _), (_, at) in zip(self.begins, self.begins[1:], strict=False)}
        if timeline == self.timeline:
            return True
        return timeline in ends and value(lsn) <= ends[timeline]


def line(timeline: int, history: str = "") -> Line:
    """The line of a timeline by its history, as PostgreSQL writes it; the first one has none."""
    begins, at = [], 0
    for words in (text.split() for text in history.splitlines()):
        if words and words[0].isdigit():
            begins.append((int(words[0]), at))
            at = value(words[1])
    return Line((*begins, (timeline, at)))


def history(settings: Settings, timeline: int) -> str:
    """Asks for the history of a timeline, a later one than the first, as PostgreSQL writes it.

    It is told over the replication protocol alone.

    Raises:
        StoreUnavailable: PostgreSQL does not answer, or the role may not ask.
    """
    where = make_conninfo(
        postgres.dsn(settings.database), replication="true", connect_timeout=10, dbname=None
    )
    server = pq.PGconn.connect(where.encode())
    try:
        if server.status != pq.ConnStatus.OK:
            raise StoreUnavailable(f"PostgreSQL: {server.error_message.decode().strip()}")
        answer = server.exec_(f"TIMELINE_HISTORY {timeline}".encode())
        content = answer.get_value(0, 1) if answer.status == pq.ExecStatus.TUPLES_OK else None
        if content is None:
            raise psycopg.OperationalError(answer.error_message.decode().strip())
        return content.decode()
    finally:
        server.finish()


def number(lsn: str) -> int:
    """The number of the segment that holds an LSN."""
    return value(lsn) // SEGMENT_BYTES


def value(lsn: str) -> int:
    """An LSN as the byte of the log that it is."""
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn(place: int) -> str:
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}"
