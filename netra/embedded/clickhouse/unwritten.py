"""Deletions that were begun when the disk was full.

The engine notes a deletion in a file before it begins. If the disk is full at that moment the file
stays empty, and the engine refuses to open the table, and so to start, for ever. What is deleted
here is what nobody sees any more: rows of ingests and attempts that lost. Without the note they
stay a while longer, so the note is set aside.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def set_aside(data: Path, aside: Path) -> list[Path]:
    """Moves empty notes of deletions out of the tables below `data`; answers where they stood."""
    found = [p for p in data.glob("store/*/*/mutation_*.txt") if p.stat().st_size == 0]
    for path in found:
        aside.mkdir(mode=0o700, exist_ok=True)
        os.replace(path, aside / f"{path.parent.name}-{path.name}")
        log.warning("set aside %s: the disk was full when a deletion began", path)
    return found
