"""Which replication slots of PostgreSQL have somebody who reads for them."""

from __future__ import annotations

from typing import LiteralString

#: The slot of `netra backup follow`. Nobody streams through it (ADR 0026): it is read while there
#: is a receiver of this name.
BACKUP: LiteralString = "netra_backup"
BACKUP_RECEIVER: LiteralString = "netra-backup-wal"

#: A condition on rows of pg_replication_slots.
READ: LiteralString = f"""(active OR slot_name = '{BACKUP}' AND EXISTS (
    SELECT 1 FROM pg_stat_replication WHERE starts_with(application_name, '{BACKUP_RECEIVER}')))"""  # noqa: S608
