"""Says of an error of the file system where it was, and what is free there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netra.errors import StoreUnavailable


@contextmanager
def named(place: Path, mend: str = "") -> Iterator[None]:
    """Turns an OSError of the block, which writes below `place`, into a sentence.

    Raises:
        StoreUnavailable: it could not be written or read; `mend` is what to do.
    """
    try:
        yield
    except OSError as e:
        where = e.filename or place
        raise StoreUnavailable(
            f"{where}: {e.strerror or e}{_free(place)}{f'; {mend}' if mend else ''}"
        ) from e


def _free(place: Path) -> str:
    there = next((p for p in (place, *place.parents) if p.exists()), None)
    if there is None:
        return ""
    room = shutil.disk_usage(there)
    return f" ({room.free / 1e6:,.1f} MB of {room.total / 1e6:,.1f} MB are free at {there})"
