"""What goes wrong with backups."""

from __future__ import annotations

from netra.errors import NetraError


class BackupFailed(NetraError):
    """The backup was not made; there is no manifest of it, so nothing will trust what it left."""

    slug = "backup-failed"


class BackupDamaged(NetraError):
    """The backup is not what its manifest says: it must not be restored."""

    slug = "backup-damaged"


class NotOurs(NetraError):
    """The destination holds the backups of another installation, or of another line of this one."""

    slug = "not-our-backups"


class RestoreRefused(NetraError):
    """The restore would lose something, or cannot give what was asked for."""

    slug = "restore-refused"
