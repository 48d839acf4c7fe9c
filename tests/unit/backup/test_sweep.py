from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra.backup import manifest, scratch
from netra.backup.destination import Folder
from netra.backup.sweep import sweep
from netra.errors import InvalidInput, StoreUnavailable
from netra.settings import Backup, Settings
from tests.unit.backup.kept import backup, keep

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "kept")


def of(folder: Path) -> Settings:
    return Settings(backup=Backup(scratch_dir=str(folder)))


def test_files_without_a_manifest_go_when_nobody_writes(place: Folder) -> None:
    whole = keep(place, backup("postgres", NOW))
    place.write("postgres/20261130T110000000Z-full/base.tar.gz", b"half")
    with place.writing("postgres"):
        assert sweep(place) == []
    assert sweep(place) == ["postgres/20261130T110000000Z-full/base.tar.gz"]
    assert not (place.path / "postgres" / "20261130T110000000Z-full").exists()
    assert manifest.listed(place, "postgres") == [whole]


def test_of_a_bucket_they_go_after_a_day(place: Folder) -> None:
    """Who writes to it cannot be seen: so it is with a folder in which somebody writes."""
    for hours in (1, 30):
        moment = NOW - timedelta(hours=hours)
        place.write(f"postgres/{manifest.new_id(moment, 'full')}/base.tar.gz", b"half")
    with place.writing("postgres"):
        (deleted,) = sweep(place, NOW)
    assert "20261129T06" in deleted


def test_a_draft_that_nobody_writes_goes(place: Folder) -> None:
    place.write("rows/whole", b"x")
    left, young, held = (place.path / "rows" / f".{name}.{n}" for n, name in enumerate("abc"))
    for path in (left, young, held):
        path.write_bytes(b"x")
    old = time.time() - 600
    for path in (left, held):
        os.utime(path, (old, old))
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time; f = open(sys.argv[1], 'r+b');"
            " fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); time.sleep(60)",
            str(held),
        ],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    with writer, writer.stdout:
        writer.stdout.readline()
        assert sweep(place) == ["rows/.a.0"]
        writer.kill()
    assert sweep(place) == ["rows/.c.2"]
    assert young.exists()
    assert place.names("rows") == ["rows/whole"]


def test_a_killed_process_leaves_no_scratch(tmp_path: Path) -> None:
    code = (
        "import os, sys; from netra.backup.scratch import scratch;"
        " from netra.settings import Backup, Settings;"
        " made = scratch(Settings(backup=Backup(scratch_dir=sys.argv[1])));"
        " path = made.__enter__(); (path / 'copy').write_bytes(b'x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    (left,) = tmp_path.iterdir()
    earlier = tmp_path / "netra-backup-of-an-earlier-version"
    earlier.mkdir()
    with scratch.scratch(of(tmp_path)) as mine:
        assert scratch.sweep(of(tmp_path)) == [left]
        assert mine.exists()
    assert list(tmp_path.iterdir()) == [earlier]


def test_no_room_is_said_in_words(tmp_path: Path) -> None:
    away = tmp_path / "away"
    with (
        pytest.raises(StoreUnavailable, match="NETRA_BACKUP_SCRATCH_DIR") as told,
        scratch.scratch(of(away)),
    ):
        pass
    assert str(away) in told.value.detail
    assert "MB are free" in told.value.detail


def test_a_folder_that_is_not_mounted_is_not_filled(tmp_path: Path) -> None:
    there = Folder(tmp_path / "disk")
    for to_write in (False, True):
        with pytest.raises(InvalidInput, match="mount the disk"):
            there.refuse_if_missing(to_write=to_write)
    there.path.mkdir()
    there.refuse_if_missing(to_write=False)
    if not any(path.is_mount() for path in (tmp_path, *tmp_path.parents[:-1])):
        with pytest.raises(InvalidInput, match="--create"):
            there.refuse_if_missing(to_write=True)
    there.write("postgres/x/file", b"x")
    there.refuse_if_missing(to_write=True)
