from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from netra.backup import manifest, wal
from netra.backup.destination import Folder
from netra.backup.errors import BackupDamaged, RestoreRefused
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


def full(start: str) -> Manifest:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return backup("postgres", now, position={"system": "1", "start": start})


def test_what_is_sent_comes_back_and_the_newest_part_of_a_segment_counts(
    place: Folder, tmp_path: Path
) -> None:
    send(place, tmp_path, NAMES[0], b"one")
    send(place, tmp_path, f"{NAMES[1]}.partial", b"two, begun", "0/2000100")
    send(place, tmp_path, f"{NAMES[1]}.partial", b"two, later", "0/2F00000")
    into = tmp_path / "into"
    into.mkdir()
    wal.fetch(place, full("0/1000028"), into)
    assert {p.name: p.read_bytes() for p in into.iterdir()} == {
        NAMES[0]: b"one",
        NAMES[1]: b"two, later",
    }
    send(place, tmp_path, NAMES[1], b"two, whole")
    wal.fetch(place, full("0/1000028"), into)
    assert (into / NAMES[1]).read_bytes() == b"two, whole"


def test_the_log_goes_on_behind_what_is_kept_whole(place: Folder, tmp_path: Path) -> None:
    assert wal.resume_at(wal.listed(place, "1")) is None
    send(place, tmp_path, "00000002.history", b"timelines")
    assert wal.resume_at(wal.listed(place, "1")) is None
    send(place, tmp_path, NAMES[0], b"one")
    assert wal.resume_at(wal.listed(place, "1")) == NAMES[1]
    send(place, tmp_path, f"{NAMES[1]}.partial", b"two, begun", "0/2000100")
    assert wal.resume_at(wal.listed(place, "1")) == NAMES[1]
    send(place, tmp_path, "0000000200000000000000FF", b"the last of its kind")
    assert wal.resume_at(wal.listed(place, "1")) == "000000020000000100000000"


def test_the_same_segment_sent_twice_is_kept_once(place: Folder, tmp_path: Path) -> None:
    for _ in range(2):
        send(place, tmp_path, NAMES[0], b"one")
    assert len(place.names("wal")) == 1


def test_only_what_the_backup_needs_is_read(place: Folder, tmp_path: Path) -> None:
    for name in NAMES:
        send(place, tmp_path, name, name.encode())
    send(place, tmp_path, "00000002.history", b"1\t0/3000000\tbecause\n")
    found = wal.needed(wal.listed(place, "1"), full("0/3000028"))
    assert [k.segment for k in found] == [*NAMES[2:], "00000002.history"]


def test_a_hole_is_refused_unless_it_lies_before_the_backup(place: Folder, tmp_path: Path) -> None:
    for name in (NAMES[0], NAMES[2], NAMES[3]):
        send(place, tmp_path, name, b"x")
    found = wal.listed(place, "1")
    with pytest.raises(RestoreRefused, match="hole"):
        wal.needed(found, full("0/1000028"))
    assert len(wal.needed(found, full("0/3000028"))) == 2


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
    assert wal.number(lsn) == number


def test_numbers_of_names_and_lsns_agree() -> None:
    name = "wal/1/000000030000000200000005~ab.gz"
    (kept,) = [wal._kept(name)]
    assert kept.whole
    assert kept.number == wal.number("2/5000000")
