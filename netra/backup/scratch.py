"""Room for a backup while it is made, sent, checked or restored."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netra.backup import room
from netra.embedded import lock
from netra.settings import Settings

_PREFIXES = ("netra-backup-", "netra-verify-")
#: What an earlier version left, which held no lock, is left alone until it is this old, seconds.
_OLD_S = 3600.0
_LOCK = ".held"


@contextmanager
def scratch(settings: Settings, *, passable: bool = False) -> Iterator[Path]:
    """A private folder that is gone afterwards; `passable` by the account of PostgreSQL.

    Raises:
        StoreUnavailable: it cannot be made or written to; the message says what is free there.
    """
    within = root(settings)
    with (
        room.named(within, "NETRA_BACKUP_SCRATCH_DIR names another folder"),
        tempfile.TemporaryDirectory(
            prefix=_PREFIXES[0], dir=within, ignore_cleanup_errors=True
        ) as folder,
    ):
        path = Path(folder)
        if passable:
            path.chmod(0o711)
        with held(path):
            yield path


def root(settings: Settings) -> Path:
    return Path(settings.backup.scratch_dir or tempfile.gettempdir())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Says that a living process works in the folder."""
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def sweep(settings: Settings) -> list[Path]:
    """Removes what killed processes left there, and returns what it removed."""
    found = [p for prefix in _PREFIXES for p in root(settings).glob(f"{prefix}*")]
    left = [p for p in found if p.is_dir() and p.stat().st_uid == os.geteuid() and is_left(p)]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return left


def is_left(folder: Path) -> bool:
    """Whether the process that worked in the folder is gone."""
    try:
        return not lock.is_held(folder / _LOCK)
    except FileNotFoundError:
        newest = max(p.stat().st_mtime for p in (folder, *folder.iterdir()))
        return time.time() - newest > _OLD_S
