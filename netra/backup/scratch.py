"""Room for a backup while it is made, sent, checked or restored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netra.settings import Settings


@contextmanager
def scratch(settings: Settings) -> Iterator[Path]:
    """A private folder that is gone afterwards."""
    within = settings.backup.scratch_dir or None
    with tempfile.TemporaryDirectory(
        prefix="netra-backup-", dir=within, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)
