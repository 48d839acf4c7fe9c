"""A destination belongs to one installation, and to one living line of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from netra.backup import owner as owners
from netra.backup import postgres, recovery, wal
from netra.backup.destination import Folder
from netra.backup.errors import BackupFailed, NotOurs, RestoreRefused
from netra.backup.owner import Owner
from tests.unit.backup.kept import backup, keep

NOW = datetime.now(UTC)
#: The server was restored to a moment in segment 2.
HISTORY = "1\t0/2800000\tbefore 2026-11-01\n"
FIRST = Owner(system="1", timeline=1, history="")
SECOND = Owner(system="1", timeline=2, history=HISTORY)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    """With a backup of the first timeline."""
    found = Folder(tmp_path / "kept")
    keep(found, backup("postgres", NOW - timedelta(days=1)))
    return found


@pytest.fixture
def elsewhere() -> wal.Writer:
    """A follower on another machine, that wrote just now."""
    here = owners.writer(datetime.now(UTC), 10)
    return msgspec.structs.replace(here, host="elsewhere", boot="other")


def said(place: Folder, by: wal.Writer | None, timeline: int = 1) -> None:
    now = datetime.now(UTC)
    wal.reached(place, "1", wal.Position(at=now, lsn="0/2000100", timeline=timeline, by=by))


def test_an_installation_goes_on_with_its_own(place: Folder, elsewhere: wal.Writer) -> None:
    owners.refuse(place, FIRST)
    said(place, elsewhere)
    owners.refuse(place, FIRST)


@pytest.mark.parametrize("store", ["postgres", "clickhouse", "redis"])
def test_another_installation_is_refused_and_both_are_named(tmp_path: Path, store: str) -> None:
    place = Folder(tmp_path / "kept")
    keep(place, backup(store, NOW))
    other = Owner(system="77", timeline=1, history="")
    with pytest.raises(NotOurs, match=r"identifier 1; this one's is 77.*folder of its own"):
        owners.refuse(place, other)
    # One whose PostgreSQL is not known cannot be told from another.
    with pytest.raises(NotOurs, match="DATABASE_URL"):
        owners.refuse(place, None)


def test_the_log_alone_names_its_installation(tmp_path: Path) -> None:
    place = Folder(tmp_path / "kept")
    said(place, None)
    with pytest.raises(NotOurs, match="77"):
        owners.refuse(place, Owner(system="77", timeline=1, history=""))


def test_manifests_that_do_not_say_whose_they_are_are_nobodys(tmp_path: Path) -> None:
    place = Folder(tmp_path / "kept")
    keep(place, msgspec.structs.replace(backup("clickhouse", NOW), position={"database": "netra"}))
    owners.refuse(place, FIRST)
    owners.refuse(place, None)


def test_a_restored_server_takes_over_once_the_line_before_is_silent(
    place: Folder, tmp_path: Path, elsewhere: wal.Writer
) -> None:
    said(place, elsewhere)
    with pytest.raises(NotOurs, match=rf"elsewhere \(pid {elsewhere.pid}\) wrote there at 2"):
        owners.refuse(place, SECOND)
    for silent in (
        msgspec.structs.replace(elsewhere, at=NOW - timedelta(seconds=61)),
        msgspec.structs.replace(elsewhere, over=True),
    ):
        said(place, silent)
        owners.refuse(place, SECOND)
    # Its own interval counts.
    said(place, msgspec.structs.replace(elsewhere, at=NOW - timedelta(seconds=61), every_s=60))
    with pytest.raises(NotOurs):
        owners.refuse(place, SECOND)


def test_what_has_shown_itself_once_supersedes_the_line_before(
    place: Folder, tmp_path: Path
) -> None:
    owners.claim(place, SECOND, tmp_path)
    with pytest.raises(NotOurs, match=r"timeline 2\) has taken them over.*this one \(timeline 1\)"):
        owners.refuse(place, FIRST)
    with pytest.raises(NotOurs):
        owners.refuse_superseded(place, FIRST)
    owners.refuse(place, SECOND)
    # No log of it is kept yet: what the line before it wrote is still what is restored.
    assert wal.reach(place, backup("postgres", NOW)).line.timeline == 1


def test_a_backup_of_a_newer_timeline_supersedes_too(place: Folder) -> None:
    keep(place, backup("redis", NOW, position={"timeline": "2"}))
    with pytest.raises(NotOurs, match="timeline 2"):
        owners.refuse(place, FIRST)


def test_two_that_were_restored_to_different_moments_are_told_apart(
    place: Folder, tmp_path: Path
) -> None:
    owners.claim(place, SECOND, tmp_path)
    other = Owner(system="1", timeline=2, history=HISTORY.replace("2800000", "2900000"))
    with pytest.raises(NotOurs, match="another moment"):
        owners.refuse(place, other)


def test_a_position_of_an_earlier_version_counts_by_its_time(place: Folder) -> None:
    said(place, None, timeline=0)
    owners.refuse(place, FIRST)
    with pytest.raises(NotOurs, match="goes on with the backups"):
        owners.refuse(place, SECOND)
    wal.reached(place, "1", wal.Position(at=NOW - timedelta(minutes=2), lsn="0/2000100"))
    owners.refuse(place, SECOND)


def test_a_second_follower_of_the_same_timeline_is_refused(
    place: Folder, elsewhere: wal.Writer
) -> None:
    said(place, elsewhere)
    with pytest.raises(NotOurs, match="elsewhere"):
        owners.refuse_second(place, FIRST)
    said(place, msgspec.structs.replace(elsewhere, over=True))
    owners.refuse_second(place, FIRST)
    said(place, owners.writer(NOW, 10))
    owners.refuse_second(place, FIRST)


def test_on_this_machine_it_is_known_who_lives() -> None:
    here = owners.writer(NOW, 10)

    def living(pid: int) -> bool:
        by = msgspec.structs.replace(here, pid=pid)
        return owners.is_living(wal.Position(at=NOW, lsn="0/0", by=by), NOW)

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not living(gone.pid)
    assert living(os.getppid())
    assert not living(os.getpid()), "an earlier run with the same number, in a container"


@pytest.mark.parametrize("server", [FIRST, SECOND], ids=["superseded", "restored to before it"])
def test_an_incremental_backup_names_the_mend_where_it_has_no_base(server: Owner) -> None:
    begins = {"timeline": "2", "start": "0/3000028"} if server is FIRST else {"start": "0/3000028"}
    base = backup("postgres", NOW, position=begins)
    with pytest.raises(BackupFailed, match="full one: netra backup take postgres") as refused:
        postgres._refuse_if_no_base(base, server)
    assert base.id in refused.value.detail


def test_an_incremental_backup_is_built_on_what_came_before_the_fork() -> None:
    base = backup("postgres", NOW, position={"start": "0/2000028"})
    postgres._refuse_if_no_base(base, SECOND)


def test_a_restore_begins_with_a_backup_that_leads_to_the_living_line(
    place: Folder, tmp_path: Path
) -> None:
    """The server was restored to a moment in segment 2, and wrote on; without a backup since."""
    before = recovery.choose(place, None)
    abandoned = keep(place, backup("postgres", NOW, position={"start": "0/3000028"}))
    assert recovery.choose(place, None) == abandoned
    owners.claim(place, SECOND, tmp_path)
    # It has shown itself, and nothing that it wrote is kept yet.
    assert recovery.choose(place, None) == abandoned
    segment = tmp_path / "000000020000000000000002"
    segment.write_bytes(b"x")
    wal.send(place, "1", segment, tmp_path)
    assert recovery.choose(place, None) == before
    assert wal.reach(place, before).line.timeline == 2
    assert recovery.choose(place, None, abandoned.id) == abandoned
    newest = keep(
        place,
        backup("postgres", datetime.now(UTC), position={"timeline": "2", "start": "0/2900028"}),
    )
    assert recovery.choose(place, None) == newest


def test_a_restore_from_the_backups_of_several_installations_wants_one_named(
    place: Folder,
) -> None:
    other = keep(place, backup("postgres", NOW, position={"system": "77"}))
    with pytest.raises(RestoreRefused, match=r"1, 77\): name one with --backup"):
        recovery.choose(place, None)
    assert recovery.choose(place, None, other.id) == other
