from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra.backup import manifest, retention, wal
from netra.backup.destination import Folder
from tests.unit.backup.kept import backup, keep

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "kept")


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def ids(place: Folder, store: str) -> list[str]:
    return [m.id for m in manifest.listed(place, store)]


def test_the_base_of_a_kept_backup_is_kept(place: Folder) -> None:
    old = keep(place, backup("clickhouse", ago(40)))
    base = keep(place, backup("clickhouse", ago(33)))
    keep(place, backup("clickhouse", ago(31), base=base))
    needs = keep(place, backup("clickhouse", ago(29), base=base))
    new = keep(place, backup("clickhouse", ago(1)))
    deleted = retention.prune(place, NOW, 30)
    assert ids(place, "clickhouse") == [base.id, needs.id, new.id]
    assert f"{old.folder}/file" in deleted
    assert not (place.path / old.folder).exists()
    assert retention.prune(place, NOW, 30) == []


def test_the_newest_full_backup_stays_however_old_it_is(place: Folder) -> None:
    keep(place, backup("postgres", ago(90)))
    newest = keep(place, backup("postgres", ago(60)))
    retention.prune(place, NOW, 30)
    assert ids(place, "postgres") == [newest.id]


def test_the_log_before_the_first_kept_backup_goes(place: Folder, tmp_path: Path) -> None:
    keep(place, backup("postgres", ago(40), position={"system": "1", "start": "0/1000028"}))
    keep(place, backup("postgres", ago(1), position={"system": "1", "start": "0/3000028"}))
    for n in range(1, 6):
        file = tmp_path / f"00000001000000000000000{n}"
        file.write_bytes(b"x")
        wal.send(place, "1", file, tmp_path)
    retention.prune(place, NOW, 30)
    assert [k.number for k in wal.listed(place, "1")] == [3, 4, 5]


def test_rows_that_every_kept_backup_has_go(place: Folder) -> None:
    keep(place, backup("clickhouse", ago(2)))
    names = []
    for days in (5, 1):
        moment = f"{ago(days):%Y%m%dT%H%M%S%f}"
        uuid = f"00000000-0000-0000-0000-00000000000{days}"
        names.append(f"rows/workload_events/{moment}~{uuid}~3~abc.native.gz")
        place.write(names[-1], b"x")
    assert retention.prune(place, NOW, 30) == names[:1]
    assert place.names("rows") == names[1:]


def test_without_backups_nothing_goes(place: Folder, tmp_path: Path) -> None:
    file = tmp_path / "000000010000000000000001"
    file.write_bytes(b"x")
    wal.send(place, "1", file, tmp_path)
    assert retention.prune(place, NOW, 0) == []
