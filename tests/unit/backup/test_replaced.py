"""The log is read while the follower writes it: what is replaced meanwhile is read all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netra.backup import wal
from netra.backup.destination import Folder
from netra.backup.errors import BackupDamaged
from netra.backup.hashes import Hashes
from tests.unit.backup.kept import backup

ONE, TWO = "000000010000000000000001", "000000010000000000000002"


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "kept")


def send(place: Folder, tmp_path: Path, name: str, content: bytes, until: str = "") -> None:
    file = tmp_path / name
    file.write_bytes(content)
    wal.send(place, "1", file, tmp_path, until or None)


def outdate(place: Folder) -> None:
    """As the follower does: of a segment, all but what was sent last."""
    *old, _ = (k for k in wal.listed(place, "1") if k.segment == TWO)
    for kept in old:
        place.delete(kept.name)


@pytest.mark.parametrize("later", ["a longer piece", "the whole segment"])
def test_a_piece_that_was_replaced_since_it_was_listed_is_read_as_what_replaced_it(
    place: Folder, tmp_path: Path, later: str
) -> None:
    send(place, tmp_path, ONE, b"one")
    send(place, tmp_path, f"{TWO}.partial", b"two", "0/2000100")
    known = wal.reach(place, backup("postgres", datetime(2026, 11, 1, tzinfo=UTC)))
    if later == "the whole segment":
        send(place, tmp_path, TWO, b"two, longer")
    else:
        send(place, tmp_path, f"{TWO}.partial", b"two, longer", "0/2000200")
    outdate(place)
    compared = Hashes(place, tmp_path)
    compared.of_log(known.segments)
    assert compared.files == 2
    into = tmp_path / "into"
    into.mkdir()
    wal.fetch(place, known, into)
    assert (into / TWO).read_bytes() == b"two, longer"


def test_one_that_nothing_replaced_is_missing_and_named(place: Folder, tmp_path: Path) -> None:
    send(place, tmp_path, f"{TWO}.partial", b"two", "0/2000100")
    (kept,) = wal.listed(place, "1")
    place.delete(kept.name)
    with pytest.raises(BackupDamaged, match=TWO):
        Hashes(place, tmp_path).of_log([kept])


class Busy(Folder):
    """A folder in which something is done right after it was listed for the first time."""

    then: Callable[[], None] | None = None

    def names(self, prefix: str) -> list[str]:
        found = super().names(prefix)
        if then := self.then:
            self.then = None
            then()
        return found


def test_what_was_sent_since_the_log_was_listed_is_no_hole(tmp_path: Path) -> None:
    """The list is older than what the follower says that it has sent."""
    place = Busy(tmp_path / "kept")
    send(place, tmp_path, ONE, b"one")
    made = backup("postgres", datetime(2026, 11, 1, tzinfo=UTC))

    def goes_on() -> None:
        send(place, tmp_path, TWO, b"two")
        now = datetime(2026, 11, 1, tzinfo=UTC)
        wal.reached(place, "1", wal.Position(at=now, lsn="0/2000100"))

    listed = wal.listed(place, "1")
    goes_on()
    found = wal.reach(place, made, listed)
    assert found.hole is None
    assert [kept.segment for kept in found.segments] == [ONE, TWO]


def test_what_is_listed_while_it_is_replaced_is_no_hole(tmp_path: Path) -> None:
    place = Busy(tmp_path / "kept")
    three = f"{ONE[:-1]}3"
    for name in (ONE, three):
        send(place, tmp_path, name, b"x")
    place.then = lambda: send(place, tmp_path, TWO, b"two")
    found = wal.reach(place, backup("postgres", datetime(2026, 11, 1, tzinfo=UTC)))
    assert found.hole is None
    assert [kept.segment for kept in found.segments] == [ONE, TWO, three]
