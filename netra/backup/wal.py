"""The write-ahead log, kept beside the backups: segments as they fill, and the one that fills.

    wal/SYSTEM/SEGMENT~SHA256.gz              a segment, or a timeline's history
    wal/SYSTEM/SEGMENT.LSN.partial~SHA256.gz  the one that is being written, up to an LSN
    wal/SYSTEM/position.json                  how far all that is kept reaches, written last

The hash in the name is that of the file as it is kept: a file and its description are one write.
What is named otherwise is none of it, and is passed over.
"""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from netra.backup import manifest as manifests
from netra.backup import strays, timeline
from netra.backup.destination import Destination
from netra.backup.errors import BackupDamaged
from netra.backup.manifest import Manifest
from netra.backup.timeline import Line
from netra.errors import NotFound

_POSITION = "position.json"
_NAME = re.compile(
    r"(?P<segment>[0-9A-F]{24}|[0-9A-F]{8}\.history)(\.(?P<until>[0-9A-F]{16})\.partial)?"
    r"~(?P<sha256>[0-9a-f]+)\.gz"
)


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was committed by then can be restored, rows in ClickHouse included."""

    at: datetime
    lsn: str
    #: The server's; 0: an earlier version of Netra did not write it.
    timeline: int = 0
    #: Who wrote it; None: an earlier version of Netra.
    by: Writer | None = None


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """A follower that has written a position."""

    #: The machine's name, and what tells one start of it from another.
    host: str
    boot: str
    pid: int
    #: By its own clock.
    at: datetime
    #: It writes this often, seconds, unless much is to be sent.
    every_s: float
    #: It was told to stop, and writes no more.
    over: bool = False


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
    def timeline(self) -> int:
        return int(self.segment[:8], 16)

    @property
    def number(self) -> int | None:
        """Its place among the segments, whatever its timeline; None of a history."""
        return number_of(self.segment) if len(self.segment) == 24 else None


def number_of(segment: str) -> int:
    """The number of a segment by its name, whatever its timeline."""
    return timeline.number(f"{int(segment[8:16], 16):X}/0") + int(segment[16:24], 16)


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
    label = f"{segment}.{timeline.value(until):016X}.partial" if until else segment
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
    found: list[Kept] = []
    for name in destination.names(folder(system)):
        if kept := _kept(name):
            found.append(kept)
        elif name != f"{folder(system)}/{_POSITION}":
            strays.tell(destination, name)
    return sorted(found)


def systems(destination: Destination) -> set[str]:
    """The system identifiers of which log is kept."""
    parts = (name.split("/") for name in destination.names("wal"))
    return {p[1] for p in parts if len(p) == 3 and p[1].isdigit()}


def _kept(name: str) -> Kept | None:
    """None if it is not the name of such a file."""
    if name.count("/") != 2 or not (read := _NAME.fullmatch(name.rpartition("/")[2])):
        return None
    until = read["until"] or "~"
    return Kept(segment=read["segment"], until=until, sha256=read["sha256"], name=name)


@dataclass(frozen=True, kw_only=True)
class Hole:
    """Log that is not kept, while later log is, or is said to be."""

    #: The first segment that is missing.
    missing: str
    #: The first one behind it that is there; None if none is.
    behind: str | None

    def __str__(self) -> str:
        there = f"segment {self.missing} is missing, {self.behind} is there"
        return there if self.behind else f"segment {self.missing} was sent and is missing"


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The log that a restore of a backup can read: up to the end, or to the first hole."""

    line: Line
    #: Of each segment what was sent last, oldest first.
    segments: tuple[Kept, ...]
    #: Histories of all timelines: who begins a new one must know that they are taken.
    histories: tuple[Kept, ...]
    hole: Hole | None


def reach(destination: Destination, backup: Manifest, found: list[Kept] | None = None) -> Reach:
    """What a restore of `backup` can read of what is kept (`found`, if that was listed already).

    Raises:
        BackupDamaged: a timeline's history is not the one that was written.
    """
    system = backup.position["system"]
    said = position(destination, system)
    known = _reach(
        destination, backup, listed(destination, system) if found is None else found, said
    )
    if known.hole is None:
        return known
    # It may have been sent, or have been replaced, since that was listed or while it was.
    return _reach(destination, backup, listed(destination, system), said)


def _reach(
    destination: Destination, backup: Manifest, found: list[Kept], said: Position | None
) -> Reach:
    begins = int(backup.position["timeline"])
    lines = _lines(destination, found, begins)
    line = next(one for one in lines if one.has(begins, backup.position["end"]))
    last = {k.number: k for k in found if k.number is not None and k.segment == line.name(k.number)}
    first, own = (timeline.number(backup.position[name]) for name in ("start", "end"))
    # The backup brings the log up to its own end; its last segment was not complete then.
    end = own
    while end in last:
        end += 1
    return Reach(
        line=line,
        segments=tuple(last[n] for n in range(first, end) if n in last),
        histories=tuple(k for k in found if k.number is None),
        hole=_hole(line, last, end, said if _is_of(said, line, lines) else None),
    )


def _is_of(said: Position | None, line: Line, lines: list[Line]) -> bool:
    """Whether a position is one of this line; of an earlier Netra's it is that of the newest."""
    if said is None or not said.timeline:
        return line == lines[0]
    return said.timeline == line.timeline


def _hole(line: Line, last: dict[int, Kept], end: int, said: Position | None) -> Hole | None:
    if behind := [n for n in last if n > end]:
        return Hole(missing=line.name(end), behind=line.name(min(behind)))
    # Of a segment that has just begun nothing need be there yet.
    if said is not None and timeline.value(said.lsn) > end * timeline.SEGMENT_BYTES:
        return Hole(missing=line.name(end), behind=None)
    return None


def _lines(destination: Destination, found: list[Kept], begins: int) -> list[Line]:
    """The lines of which there is log, newest first, and that of the timeline `begins`.

    A timeline's history is kept when its server first shows itself, and log of it may come later:
    until then what the line before it wrote is what there is.
    """
    lines: list[Line] = []
    written = {k.timeline for k in found if k.number is not None} | {begins}
    for kept in found:
        if kept.number is None and kept.timeline in written:
            packed = manifests.read_kept(destination, kept.name, kept.sha256)
            lines.append(timeline.line(kept.timeline, gzip.decompress(packed).decode()))
    if all(one.timeline != begins for one in lines):
        lines.append(timeline.line(begins))
    return sorted(lines, key=lambda one: one.timeline, reverse=True)


def newest_line(destination: Destination, system: str, timelines: set[int]) -> Line | None:
    """The line that was written last: of those that log is kept of, and of `timelines`.

    None if its history is not kept.

    Raises:
        BackupDamaged: a timeline's history is not the one that was written.
    """
    found = listed(destination, system)
    newest = max({k.timeline for k in found if k.number is not None} | timelines)
    if newest > 1 and all(k.number is not None or k.timeline != newest for k in found):
        return None
    return _lines(destination, found, newest)[0]


def next_wanted(
    destination: Destination, system: str, line: Line, backups: list[Manifest]
) -> int | None:
    """The number of the first segment of a line that is not kept; None if none ever was.

    Where no log is kept yet it is the one in which the newest of `backups` ends.
    """
    found = listed(destination, system)
    whole = [
        k.number
        for k in found
        if k.whole and k.number is not None and k.segment == line.name(k.number)
    ]
    if whole:
        return max(whole) + 1
    ends = [
        timeline.number(m.position["end"])
        for m in backups
        if m.position["system"] == system
        and line.has(int(m.position["timeline"]), m.position["end"])
    ]
    return ends[-1] if ends else None


def fetch(destination: Destination, known: Reach, into: Path) -> None:
    """Copies the log of a reach into `into`, unpacked and checked.

    Raises:
        BackupDamaged: a file is not the one that was written.
    """
    for kept in (*known.histories, *known.segments):
        unpack(destination, kept, into)


def fetch_kept(destination: Destination, kept: Kept, target: Path) -> None:
    """Fetches a file, or what has taken its place since it was listed: it holds all of it.

    Raises:
        BackupDamaged: it is missing, or not the one that was written.
    """
    while True:
        try:
            return manifests.fetch_kept(destination, kept.name, kept.sha256, target)
        except NotFound as e:
            # The follower deletes a piece once it has sent a longer one of the same segment.
            newer = None if kept.whole else _replaced(destination, kept)
            if newer is None:
                raise BackupDamaged(f"{destination.url}/{kept.name} is missing") from e
            kept = newer


def _replaced(destination: Destination, gone: Kept) -> Kept | None:
    found = listed(destination, gone.name.split("/")[1])
    later = [k for k in found if k.segment == gone.segment and k.until > gone.until]
    return later[-1] if later else None


def unpack(destination: Destination, kept: Kept, into: Path) -> Path:
    """Copies one file into `into`, unpacked. Raises BackupDamaged as `fetch` does."""
    packed, plain = into / f"{kept.segment}.gz", into / kept.segment
    fetch_kept(destination, kept, packed)
    with gzip.open(packed) as source, plain.open("wb") as unpacked:
        shutil.copyfileobj(source, unpacked, 1 << 20)
    packed.unlink()
    return plain
