from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra.backup import destination, manifest, postgres, recovery, retention
from netra.backup.destination import Folder
from netra.backup.errors import BackupDamaged, RestoreRefused
from netra.errors import NotFound, SettingsError
from tests.unit.backup.kept import backup, keep


def day(n: int) -> datetime:
    return datetime(2026, 11, n, 2, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "kept")


def test_what_was_kept_is_read_back_and_listed_by_time(place: Folder) -> None:
    first = keep(place, backup("postgres", day(1)))
    second = keep(place, backup("postgres", day(2), base=first))
    keep(place, backup("redis", day(3)))
    assert manifest.listed(place, "postgres") == [first, second]
    assert manifest.chain(place, second) == [first, second]
    assert postgres.newest_before([first, second], day(1)) == first
    assert postgres.newest_before([first, second], None) == second
    assert postgres.newest_before([first], datetime(2026, 10, 1, tzinfo=UTC)) is None


def test_files_without_a_manifest_are_no_backup(place: Folder) -> None:
    place.write("postgres/20261101T020000000Z-full/base.tar.gz", b"half")
    assert manifest.listed(place, "postgres") == []


def test_an_incremental_backup_without_its_base_is_damaged(place: Folder) -> None:
    gone = backup("clickhouse", day(1))
    with pytest.raises(BackupDamaged, match=gone.id):
        manifest.chain(place, backup("clickhouse", day(2), base=gone))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "is missing": Path.unlink,
    "has 3 bytes": lambda file: file.write_bytes(b"con"),
    "does not have the SHA-256": lambda file: file.write_bytes(b"Content"),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_a_file_that_is_not_the_one_written_is_refused(
    place: Folder, tmp_path: Path, words: str
) -> None:
    made = keep(place, backup("postgres", day(1)))
    manifest.fetch(place, made, tmp_path / "good")
    assert (tmp_path / "good" / "file").read_bytes() == b"content"
    DAMAGE[words](place.path / made.folder / "file")
    with pytest.raises(BackupDamaged, match=words):
        manifest.fetch(place, made, tmp_path / "bad")


def test_a_manifest_that_is_another_backups_is_refused(place: Folder) -> None:
    made = keep(place, backup("postgres", day(1)))
    content = place.read(f"{made.folder}/manifest.json")
    place.write("postgres/other/manifest.json", content)
    with pytest.raises(BackupDamaged, match="is that of"):
        manifest.read(place, "postgres", "other")


def test_a_folder_keeps_private_whole_files(place: Folder, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a" * 10_000_000)
    place.put("a/b", file)
    assert place.read("a/b") == file.read_bytes()
    assert (place.path / "a" / "b").stat().st_mode & 0o077 == 0
    assert (place.path / "a").stat().st_mode & 0o077 == 0
    assert place.names("a") == ["a/b"]
    place.delete("a/b")
    assert place.names("") == []
    with pytest.raises(NotFound):
        place.read("a/b")


@pytest.mark.parametrize("url", ["", "ftp://host/folder", "https://host/folder"])
def test_other_destinations_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="NETRA_BACKUP_URL"):
        destination.at(url)


def test_a_manifest_that_cannot_be_read_costs_no_other_backup(
    place: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    good = keep(place, backup("postgres", day(1)))
    broken = keep(place, backup("postgres", day(2)))
    (place.path / broken.folder / "manifest.json").write_text("{")
    assert manifest.listed(place, "postgres") == [good]
    assert broken.id in caplog.text
    assert recovery.choose(place, None) == good
    with pytest.raises(BackupDamaged, match=broken.id):
        manifest.listed(place, "postgres", strict=True)
    now = day(2) + timedelta(days=60)
    newest = keep(place, backup("postgres", now))
    retention.prune(place, now, 30)
    assert manifest.listed(place, "postgres") == [newest]


def test_an_older_backup_is_chosen_by_its_id(place: Folder) -> None:
    first = keep(place, backup("postgres", day(1)))
    second = keep(place, backup("postgres", day(2)))
    assert recovery.choose(place, None) == second
    assert recovery.choose(place, None, first.id) == first
    with pytest.raises(RestoreRefused, match="older"):
        recovery.choose(place, day(1), second.id)
    with pytest.raises(NotFound, match=first.id):
        recovery.choose(place, None, "20200101T000000000Z-full")
