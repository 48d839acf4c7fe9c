"""The write-ahead log, kept beside the backups: segments as they fill, and the one that fills.

    wal/SYSTEM/SEGMENT~SHA256.gz              a segment, or a timeline's history
    wal/SYSTEM/SEGMENT.LSN.partial~SHA256.gz  the one that is being written, up to an LSN
    wal/SYSTEM/position.json                  how far all that is kept reaches, written last

The hash in the name is that of the file as it is kept: a file and its description are one write.
"""

from __future__ import annotations

import gzip
import itertools
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from netra.backup import manifest as manifests
from netra.backup.destination import Destination
from netra.backup.errors import RestoreRefused
from netra.backup.manifest import Manifest
from netra.errors import NotFound

SEGMENT_BYTES = 16 << 20
#: Segments by which the second number in a segment's name counts one on.
_PER_HIGH = (1 << 32) // SEGMENT_BYTES
_POSITION = "position.json"


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was committed by then can be restored, rows in ClickHouse included."""

    at: datetime
    lsn: str


@dataclass(frozen=True, kw_only=True, order=True)
class Kept:
    """A file of the WAL as it is kept."""

    #: The name that PostgreSQL knows it by.
    segment: str
    #: Up to where it was written when it was sent; "~" sorts behind: it is whole.
    until: str
    sha256: str
    name: str

    @property
    def whole(self) -> bool:
        return self.until == "~"

    @property
    def number(self) -> int | None:
        """Its place among the segments, whatever its timeline; None of a history."""
        if len(self.segment) != 24:
            return None
        return int(self.segment[8:16], 16) * _PER_HIGH + int(self.segment[16:24], 16)


def folder(system: str) -> str:
    return f"wal/{system}"


def position(destination: Destination, system: str) -> Position | None:
    """How far the WAL that is kept reaches; None if none is."""
    try:
        found = destination.read(f"{folder(system)}/{_POSITION}")
    except NotFound:
        return None
    return msgspec.json.decode(found, type=Position)


def reached(destination: Destination, system: str, now: Position) -> None:
    destination.write(f"{folder(system)}/{_POSITION}", msgspec.json.encode(now))


def send(
    destination: Destination, system: str, file: Path, scratch: Path, until: str | None = None
) -> None:
    """Keeps one file of the WAL: whole, or as it was written up to the LSN `until`."""
    segment = file.name.removesuffix(".partial")
    packed = scratch / f"{segment}.gz"
    _pack(file, packed)
    label = f"{segment}.{_sortable(until)}.partial" if until else segment
    destination.put(f"{folder(system)}/{label}~{manifests.sha256(packed)}.gz", packed)
    packed.unlink()


def _pack(file: Path, packed: Path) -> None:
    # Without time and name: the same segment sent twice is the same file.
    with (
        file.open("rb") as source,
        packed.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)


def listed(destination: Destination, system: str) -> list[Kept]:
    """What is kept, in the order of the log; of a segment, what was sent last at the end."""
    found = (_kept(name) for name in destination.names(folder(system)) if name.endswith(".gz"))
    return sorted(found)


def _kept(name: str) -> Kept:
    label, _, rest = name.rpartition("/")[2].partition("~")
    segment, until = label, "~"
    if label.endswith(".partial"):
        segment, until, _ = label.split(".")
    return Kept(segment=segment, until=until, sha256=rest.removesuffix(".gz"), name=name)


def resume_at(found: list[Kept]) -> str | None:
    """The segment that the log must go on with, for what is kept to have no hole; None: any."""
    segments = [kept for kept in found if kept.number is not None]
    if not segments:
        return None
    last = segments[-1]
    if not last.whole:
        return last.segment
    assert last.number is not None
    high, low = divmod(last.number + 1, _PER_HIGH)
    return f"{last.segment[:8]}{high:08X}{low:08X}"


def needed(found: list[Kept], backup: Manifest) -> list[Kept]:
    """The files that a restore of `backup` may read: of each segment what was sent last.

    Raises:
        RestoreRefused: a segment is missing between two that are there.
    """
    first = number(backup.position["start"])
    last = {kept.segment: kept for kept in found if kept.number is None or kept.number >= first}
    numbers = sorted({kept.number for kept in last.values() if kept.number is not None})
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise RestoreRefused(
                f"the WAL that is kept has a hole: segments {before:X} and {after:X} are there and"
                " none between them, so nothing behind it can be restored"
            )
    return sorted(last.values())


def fetch(destination: Destination, backup: Manifest, into: Path) -> None:
    """Copies the WAL that a restore of `backup` may read into `into`, unpacked and checked.

    Raises:
        BackupDamaged: a file is not the one that was written.
        RestoreRefused: the log has a hole.
    """
    found = listed(destination, backup.position["system"])
    for kept in needed(found, backup):
        packed = into / f"{kept.segment}.gz"
        manifests.fetch_kept(destination, kept.name, kept.sha256, packed)
        with gzip.open(packed) as source, (into / kept.segment).open("wb") as unpacked:
            shutil.copyfileobj(source, unpacked, 1 << 20)
        packed.unlink()


def number(lsn: str) -> int:
    """The number of the segment that holds an LSN."""
    return _value(lsn) // SEGMENT_BYTES


def _sortable(lsn: str) -> str:
    return f"{_value(lsn):016X}"


def _value(lsn: str) -> int:
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)
