"""Compares what is kept with the hashes that it was written with, and writes nothing but scratch.

One file at a time: the room that is needed is that of the largest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netra.backup import manifest as manifests
from netra.backup import rows, wal
from netra.backup.destination import Destination
from netra.backup.manifest import Manifest


@dataclass
class Hashes:
    """Compares files, and counts what it compared."""

    destination: Destination
    folder: Path
    files: int = 0
    size_bytes: int = 0

    def of_backups(self, backups: Iterable[Manifest]) -> None:
        """Every file of these. Raises BackupDamaged for the first one that is not as written."""
        target = self.folder / "compared"
        for backup in backups:
            for file in backup.files:
                manifests.fetch_file(self.destination, backup, file, target)
                self._count(target)

    def of_log(self, kept: Iterable[wal.Kept]) -> None:
        """The same of files of the log; of one that was replaced since, of what replaced it."""
        target = self.folder / "compared"
        for one in kept:
            wal.fetch_kept(self.destination, one, target)
            self._count(target)

    def of_rows(self, kept: Iterable[rows.Kept]) -> None:
        """The same of files of rows."""
        target = self.folder / "compared"
        for one in kept:
            manifests.fetch_kept(self.destination, one.name, one.sha256, target)
            self._count(target)

    def _count(self, target: Path) -> None:
        self.files += 1
        self.size_bytes += target.stat().st_size
        target.unlink()
