"""The slot that makes the server keep its log until the destination has it.

Nobody streams through it: what streams confirms what it has received, and that is not yet kept. So
`pg_receivewal` runs without a slot, and the follower moves this one past what it has sent.
"""

from __future__ import annotations

import logging

from netra.backup import timeline
from netra.store import slots
from netra.store.postgres import Connection, unavailable

log = logging.getLogger(__name__)

SLOT = slots.BACKUP


def ensure(connection: Connection) -> str:
    """Makes the slot if there is none, or anew if the server gave up keeping its part of the log.

    Returns the LSN from which on the server keeps its log.
    """
    with unavailable():
        lost = connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE slot_name = %s AND wal_status = 'lost' AND NOT active",
            [SLOT],
        ).fetchall()
        if lost:
            log.error(
                "PostgreSQL threw log away that the slot %s was to keep: what was sent lagged"
                " behind by more than max_slot_wal_keep_size",
                SLOT,
            )
        connection.execute(
            "SELECT pg_create_physical_replication_slot(%s, true) WHERE NOT EXISTS"
            " (SELECT 1 FROM pg_replication_slots WHERE slot_name = %s)",
            [SLOT, SLOT],
        )
        row = connection.execute(
            "SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = %s",
            [SLOT],
        ).fetchone()
    assert row is not None
    return row["lsn"] or "0/0"


def advance(connection: Connection, number: int) -> None:
    """Lets the server remove the segments before this number, which the destination holds."""
    to = number * timeline.SEGMENT_BYTES
    if timeline.value(ensure(connection)) < to:
        with unavailable():
            connection.execute(
                "SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", [SLOT, timeline.lsn(to)]
            )
