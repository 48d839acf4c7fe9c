from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from netra.backup import manifest, timeline, wal
from netra.backup.destination import Folder
from netra.backup.errors import BackupDamaged
from netra.backup.manifest import Manifest
from tests.unit.backup.kept import backup

NAMES = [f"0000000100000000000000{n:02X}" for n in range(1, 6)]


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "kept")


def send(
    place: Folder, tmp_path: Path, name: str, content: bytes, until: str | None = None
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    wal.send(place, "1", file, tmp_path, until)


def full(start: str, end: str = "") -> Manifest:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return backup("postgres", now, position={"start": start, "end": end})


def test_what_is_sent_comes_back_and_the_newest_part_of_a_segment_counts(
    place: Folder, tmp_path: Path
) -> None:
    send(place, tmp_path, NAMES[0], b"one")
    send(place, tmp_path, f"{NAMES[1]}.partial", b"two, begun", "0/2000100")
    send(place, tmp_path, f"{NAMES[1]}.partial", b"two, later", "0/2F00000")
    into = tmp_path / "into"
    into.mkdir()
    wal.fetch(place, wal.reach(place, full("0/1000028")), into)
    assert {p.name: p.read_bytes() for p in into.iterdir()} == {
        NAMES[0]: b"one",
        NAMES[1]: b"two, later",
    }
    send(place, tmp_path, NAMES[1], b"two, whole")
    wal.fetch(place, wal.reach(place, full("0/1000028")), into)
    assert (into / NAMES[1]).read_bytes() == b"two, whole"


def test_the_same_segment_sent_twice_is_kept_once(place: Folder, tmp_path: Path) -> None:
    for _ in range(2):
        send(place, tmp_path, NAMES[0], b"one")
    assert len(place.names("wal")) == 1


def segments(found: wal.Reach) -> list[str]:
    return [kept.segment for kept in found.segments]


def test_only_what_the_backup_needs_is_read(place: Folder, tmp_path: Path) -> None:
    for name in NAMES:
        send(place, tmp_path, name, name.encode())
    found = wal.reach(place, full("0/3000028"))
    assert segments(found) == NAMES[2:]
    assert found.hole is None


def test_the_log_is_read_up_to_a_hole(place: Folder, tmp_path: Path) -> None:
    for name in (NAMES[0], NAMES[2], NAMES[3]):
        send(place, tmp_path, name, b"x")
    found = wal.reach(place, full("0/1000028"))
    assert segments(found) == NAMES[:1]
    assert found.hole == wal.Hole(missing=NAMES[1], behind=NAMES[2])
    behind = wal.reach(place, full("0/3000028"))
    assert segments(behind) == NAMES[2:4]
    assert behind.hole is None


def test_a_hole_between_the_backup_and_the_first_of_its_log(place: Folder, tmp_path: Path) -> None:
    """The backup brings what was written until its end, and not one byte more."""
    send(place, tmp_path, NAMES[3], b"x")
    backup_ = full("0/1000028", end="0/3000100")
    assert wal.reach(place, backup_).hole == wal.Hole(missing=NAMES[2], behind=NAMES[3])
    send(place, tmp_path, NAMES[2], b"x")
    assert wal.reach(place, backup_).hole is None


def test_an_end_that_was_sent_and_is_missing_is_a_hole(place: Folder, tmp_path: Path) -> None:
    for name in NAMES[:2]:
        send(place, tmp_path, name, b"x")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    wal.reached(place, "1", wal.Position(at=now, lsn="0/3000000"))
    assert wal.reach(place, full("0/1000028")).hole is None
    wal.reached(place, "1", wal.Position(at=now, lsn="0/3000028"))
    assert wal.reach(place, full("0/1000028")).hole == wal.Hole(missing=NAMES[2], behind=None)


def test_the_log_follows_the_newest_timeline_that_came_from_the_backup(
    place: Folder, tmp_path: Path
) -> None:
    """The server was restored to a time within segment 2, and wrote on as timeline 2."""
    for name in NAMES[:4]:
        send(place, tmp_path, name, b"x")
    newer = [f"00000002{name[8:]}" for name in NAMES]
    send(place, tmp_path, "00000002.history", b"1\t0/2800000\tbefore 2026-11-01\n")
    send(place, tmp_path, newer[2], b"x")
    before = full("0/1000028")
    # What the old timeline wrote in segment 2 is not what the new one did.
    assert wal.reach(place, before).hole == wal.Hole(missing=newer[1], behind=newer[2])
    send(place, tmp_path, newer[1], b"x")
    found = wal.reach(place, before)
    assert found.line.timeline == 2
    assert found.hole is None
    assert segments(found) == [NAMES[0], newer[1], newer[2]]
    # One of the old timeline, made behind the fork, is of no use to the new one.
    abandoned = wal.reach(place, full("0/3000028"))
    assert abandoned.line.timeline == 1
    assert segments(abandoned) == NAMES[2:4]
    assert [kept.segment for kept in abandoned.histories] == ["00000002.history"]


def test_what_is_received_next_is_what_is_not_kept(place: Folder, tmp_path: Path) -> None:
    first, second = timeline.line(1), timeline.line(2, "1\t0/2800000\tbecause\n")
    assert wal.next_wanted(place, "1", first, []) is None
    assert wal.next_wanted(place, "1", first, [full("0/1000028", end="0/2000100")]) == 2
    for name in NAMES[:4]:
        send(place, tmp_path, name, b"x")
    send(place, tmp_path, f"{NAMES[4]}.partial", b"x", "0/5000100")
    assert wal.next_wanted(place, "1", first, []) == 5
    assert wal.next_wanted(place, "1", second, []) == 2
    assert second.name(1) == NAMES[0]
    assert second.name(2) == f"00000002{NAMES[1][8:]}"


def test_a_changed_segment_is_damaged(place: Folder, tmp_path: Path) -> None:
    send(place, tmp_path, NAMES[0], b"one")
    (kept,) = wal.listed(place, "1")
    (place.path / kept.name).write_bytes(b"other")
    with pytest.raises(BackupDamaged, match=NAMES[0]):
        manifest.fetch_kept(place, kept.name, kept.sha256, tmp_path / "target")


@pytest.mark.parametrize(
    ("lsn", "number"), [("0/1000028", 1), ("0/FF000000", 255), ("1/0", 256), ("2/5000000", 517)]
)
def test_an_lsn_lies_in_its_segment(lsn: str, number: int) -> None:
    assert timeline.number(lsn) == number


def test_numbers_of_names_and_lsns_agree() -> None:
    name = "wal/1/000000030000000200000005~ab.gz"
    kept = wal._kept(name)
    assert kept
    assert kept.whole
    assert kept.number == timeline.number("2/5000000")
