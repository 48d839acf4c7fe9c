"""Files that no backup wrote are passed over and named, and end nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra.backup import manifest, retention, rows, verify, wal
from netra.backup.ages import Ages
from netra.backup.destination import Folder
from netra.ids import new_id
from netra.store import series
from tests.conftest import settings_without_stores
from tests.unit.backup.kept import backup, keep

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
STRAYS = [
    "rows/workload_events/notes.txt",
    f"rows/workload_events/20261126T050000000000~{new_id()}~3~ab12.native.gz.part",
    f"rows/workload_events/20269926T050000000000~{new_id()}~3~ab12.native.gz",
    f"rows/{series.TABLE}/copy/20261126T050000000000~{new_id()}~3~ab12.native.gz",
    "wal/1/000000010000000000000001 (copy).gz",
    "wal/1/a.partial~12.gz",
    "wal/1/old/000000010000000000000002~ab12.gz",
]
#: Where nothing is looked for: in and beside the backups.
UNSEEN = ["notes.txt", "wal/notes.txt", "rows/notes.txt", "postgres/notes.txt"]
UNSEEN += ["postgres/manifest.json", "redis/deep/er/manifest.json"]


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "kept")
    for name in (*STRAYS, *UNSEEN):
        found.write(name, b"stray")
    return found


def test_they_are_named_and_end_no_verification(
    place: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = keep(place, backup("postgres", NOW))
    place.write(f"{made.folder}/notes.txt", b"stray")
    file = tmp_path / "000000010000000000000001"
    file.write_bytes(b"x")
    wal.send(place, "1", file, tmp_path)
    scratch = settings_without_stores(NETRA_BACKUP_SCRATCH_DIR=str(tmp_path))
    found = verify.hashes(scratch, place)
    assert (found.backups, found.files, found.holes) == (1, 2, ())
    for name in STRAYS:
        assert f"{place.url}/{name};" in caplog.text
    told = len(caplog.records)
    assert verify.hashes(scratch, place).files == 2
    assert len(caplog.records) == told, "each is named once"


def test_nothing_takes_them_for_a_backup_or_deletes_them(place: Folder) -> None:
    keep(place, backup("postgres", NOW - timedelta(days=40)))
    keep(place, backup("clickhouse", NOW))
    new = keep(place, backup("postgres", NOW))
    retention.prune(place, NOW, 30)
    assert [m.id for m in manifest.listed(place, "postgres", strict=True)] == [new.id]
    assert all((place.path / name).exists() for name in (*STRAYS, *UNSEEN))
    assert rows.listed(place, "workload_events") == []


def test_a_folder_that_no_backup_named_does_not_end_the_follower(place: Folder) -> None:
    made = backup("postgres", NOW)
    place.write("postgres/before-the-move/manifest.json", b"{}")
    keep(place, made)
    Ages().backups(place)
