"""Backups are taken, restored to a point in time, verified; what is damaged is refused."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from netra.backup import timeline, wal
from netra.backup.destination import Folder
from netra.backup.follow import Follower
from netra.backup.receiver import Receiver
from netra.embedded.home import Home
from netra.store import clickhouse, postgres
from netra.store.queue import Queue
from tests.deploy.backup.place import Place, Work, begin, place
from tests.deploy.conftest import Proof
from tests.integration.bench import Bench


@dataclass
class Taken:
    """Backups of a stack that was written to all the while, and what it held at one time."""

    place: Place
    #: A time after the last backup, and what the stores held then.
    at: str
    held: dict[str, Any]
    #: What they held when the last was sent.
    last: dict[str, Any]
    secrets: bytes


def until_sent(work: Work, kept: Path) -> None:
    """Waits until all that is committed now is kept."""
    now = datetime.fromisoformat(work.now())
    system = work.sql("SELECT system_identifier::text AS s FROM pg_control_system()")[0]["s"]
    deadline = time.monotonic() + 60
    while True:
        reached = wal.position(Folder(kept), system)
        if reached and reached.at > now:
            return
        assert time.monotonic() < deadline, f"nothing sent: {reached}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    with place() as made:
        with made.stores() as work:
            work.migrate()
            with made.following(), postgres.connect(work.settings.database, "test") as pg:
                bench = Bench(work.settings, Queue(pg))
                bench.slots(2)
                shared = work.ingest(20_000, 1)
                bench.complete(_started(bench, {"name": "a"}), {"answer": 42})
                made.run("backup.sh", "all")
                work.ingest(5_000, 2)
                bench.submit({"name": "b"})
                made.run("backup.sh", "all", "--incremental")
                work.ingest(3_000, 3)
                bench.submit({"name": "c"}, {"name": "d", "after": ["c"], "pending": 1})
                # One that runs when everything ends.
                bench.admit()
                until_sent(work, made.kept)
                at, held = work.now(), work.fingerprint()
                work.ingest(2_000, 4)
                bench.submit({"name": "too-late"})
                until_sent(work, made.kept)
                last = work.fingerprint()
                assert shared.events == 20_000
        secrets = (made.home / "secrets.json").read_bytes()
        yield Taken(place=made, at=at, held=held, last=last, secrets=secrets)


def _started(bench: Bench, stage: dict[str, Any]) -> Any:
    bench.submit(stage)
    return bench.started()


@pytest.mark.timeout(240)
def test_everything_is_restored_to_a_point_in_time_and_goes_on(taken: Taken, proof: Proof) -> None:
    made = taken.place
    listed = made.json("list")
    assert [(m["store"], m["kind"]) for m in listed] == [
        ("postgres", "full"),
        ("postgres", "incremental"),
        ("clickhouse", "full"),
        ("clickhouse", "incremental"),
        ("redis", "full"),
        ("redis", "full"),
    ]
    full, increment = (m["files"] for m in listed[:2])
    sizes = [
        next(f["size_bytes"] for f in fs if f["name"] == "base.tar.gz") for fs in (full, increment)
    ]
    assert sizes[1] < sizes[0] / 2
    made.destroy()
    began = time.monotonic()
    done = made.json("restore.sh", "--until", taken.at)
    took = time.monotonic() - began
    assert (
        done["postgres"]["backup"]["kind"] == done["clickhouse"]["backup"]["kind"] == "incremental"
    )
    assert done["clickhouse"]["ingests_put_back"] == 1
    assert done["consistency"]["lost_ingests"] == []
    # New passwords: the old ones were lost with the folder, and PostgreSQL's was changed.
    assert (made.home / "secrets.json").read_bytes() != taken.secrets
    with made.stores() as work, postgres.connect(work.settings.database, "test") as pg:
        assert work.fingerprint() == taken.held
        _jobs_go_on(Bench(work.settings, Queue(pg)))
    events = taken.held["workload_events"][0]
    proof(
        "backup: full + incremental + log and rows since, restored to a point in time in"
        f" {took:.1f} s, {events} events and {taken.held['jobs']['n']} jobs as they were, by hashes"
        f" of all rows; an incremental base has {sizes[1] / sizes[0]:.0%} of the full one's size"
    )


def _jobs_go_on(bench: Bench) -> None:
    """What was admitted when all was lost is claimed, whatever became of its message."""
    bench.slots(4)
    ends = time.monotonic() + 10
    done: set[str] = set()
    while len(done) < 3 and time.monotonic() < ends:
        for message in bench.queue.admit(["cpu"], ahead=4, stale_s=60, readmit_s=0)["cpu"][
            "messages"
        ]:
            if claim := bench.claim(message):
                bench.complete(claim)
                done.add(str(claim.stage_id))
    assert len(done) == 3
    left = bench.queue.connection.execute(
        "SELECT count(*) AS n FROM jobs WHERE state <> 'succeeded'"
    ).fetchone()
    assert left == {"n": 0}


@pytest.mark.timeout(180)
def test_all_that_was_sent_comes_back_when_no_time_is_named(taken: Taken) -> None:
    made = taken.place
    refused = made.run("restore.sh", "--until", taken.at, check=False)
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    done = made.json("restore.sh", "--replace", "--with-redis")
    assert done["consistency"]["lost_ingests"] == []
    with made.stores() as work:
        assert work.fingerprint() == taken.last
    aside = list((made.home / "postgres").glob("data.before-*"))
    assert len(aside) == 1


def test_a_time_that_is_not_kept_is_refused(taken: Taken, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for until, words in (
        ("2026-01-01T00:00:00Z", "no backup"),
        ("2999-01-01T00:00:00Z", "reaches"),
    ):
        refused = taken.place.run("restore-postgres", str(folder), "--until", until, check=False)
        assert refused.returncode == 1
        assert words in refused.stderr
    assert not folder.exists()


@pytest.mark.timeout(180)
def test_a_good_set_of_backups_verifies(taken: Taken, proof: Proof) -> None:
    began = time.monotonic()
    found = taken.place.json("verify-backup.sh")
    assert found["hashes"]["backups"] == 6
    assert found["restored"]["rows"]["workload_events"] == 30_000
    assert found["restored"]["consistency"]["lost_ingests"] == []
    proof(
        f"verify: {found['hashes']['files']} files compared with their SHA-256, then restored into"
        f" a scratch place, pages, parts and {found['restored']['rows']['workload_events']} rows"
        f" checked, in {time.monotonic() - began:.1f} s"
    )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE: list[tuple[str, str, Callable[[Path], None]]] = [
    ("a bit of PostgreSQL's files", "postgres/*-full/base.tar.gz", flip),
    ("PostgreSQL's log in a backup cut short", "postgres/*-incremental/pg_wal.tar.gz", cut),
    ("a file of ClickHouse missing", "clickhouse/*-full/parts.tar", Path.unlink),
    ("a bit of ClickHouse's parts", "clickhouse/*-incremental/parts.tar", flip),
    ("a bit of a log segment", "wal/*/0*.gz", flip),
    ("a bit of rows sent since", "rows/workload_events/*.gz", flip),
    ("a bit of Redis' copy", "redis/*/dump.rdb", flip),
    ("a manifest cut short", "postgres/*-full/manifest.json", cut),
    ("the full backup's manifest missing", "clickhouse/*-full/manifest.json", Path.unlink),
]


@pytest.mark.timeout(180)
def test_whatever_is_damaged_is_found_before_it_is_trusted(
    taken: Taken, tmp_path: Path, proof: Proof
) -> None:
    for what, pattern, damage in DAMAGE:
        kept = tmp_path / "kept"
        shutil.copytree(taken.place.kept, kept)
        damage(sorted(kept.glob(pattern))[-1])
        copy = Place(home=tmp_path / "none", kept=kept)
        found = copy.run("verify", "--hashes-only", check=False)
        assert found.returncode == 1, what
        assert str(kept) in found.stderr.replace("\n", ""), (what, found.stderr)
        shutil.rmtree(kept)
    proof(f"backup: {len(DAMAGE)} kinds of damage (bits, cuts, missing files) found by verify")


@pytest.mark.timeout(120)
def test_a_damaged_backup_is_not_restored(taken: Taken, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(taken.place.kept, kept)
    segments = sorted(kept.glob("wal/*/0*.gz"))
    flip(segments[-1])
    copy, folder = Place(home=tmp_path / "none", kept=kept), tmp_path / "data"
    refused = copy.run("restore-postgres", str(folder), check=False)
    assert refused.returncode == 1
    assert "SHA-256" in refused.stderr
    assert not folder.exists()


@pytest.mark.timeout(120)
def test_what_fails_says_so_and_leaves_no_backup(taken: Taken, tmp_path: Path) -> None:
    made = taken.place
    begin(tmp_path / "kept")
    nobody = {
        "DATABASE_URL": "postgresql://netra:no@127.0.0.1:1/netra",
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    away = Place(
        home=made.home,
        kept=tmp_path / "kept",
        environ={**nobody, "CLICKHOUSE_URL": "http://netra:no@127.0.0.1:1/netra"},
    )
    for store in ("all", "postgres", "clickhouse", "redis"):
        assert away.run("backup.sh", store, check=False).returncode == 1
    assert not list(tmp_path.rglob("manifest.json"))
    with made.stores() as work:
        # The program that copies fails in the middle: its output cannot be written.
        (tmp_path / "bin").mkdir()
        for name in ("pg_basebackup", "pg_receivewal"):
            broken = tmp_path / "bin" / name
            broken.write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 1\n")
            broken.chmod(0o755)
        programs = {"NETRA_BACKUP_POSTGRES_PROGRAMS": str(tmp_path / "bin")}
        broken = Place(home=made.home, kept=tmp_path / "kept", environ=programs)
        said = broken.run("backup.sh", "postgres", check=False)
        assert said.returncode == 1
        assert "no space left on device" in said.stderr
        no_full = broken.run("backup.sh", "clickhouse", "--incremental", check=False)
        assert no_full.returncode == 1
        assert "full backup" in no_full.stderr
        assert work.sql("SELECT 1 AS one") == [{"one": 1}]
    assert not list(tmp_path.rglob("manifest.json"))
    assert not list((Home(made.home).clickhouse / "backups").iterdir())


@pytest.mark.timeout(180)
def test_rows_that_no_backup_has_are_said_to_be_lost_and_can_be_sent_again(proof: Proof) -> None:
    """Without the follower: an ingest between the backup of ClickHouse and that of PostgreSQL."""
    with place() as made:
        with made.stores() as work:
            work.migrate()
            target = work.workload()
            work.ingest(1_000, 5, target)
            made.run("backup.sh", "clickhouse")
            lost = work.ingest(500, 6, target)
            made.run("backup.sh", "postgres")
        made.destroy()
        done = made.run("restore.sh", check=False)
        assert done.returncode == 1
        assert "LOST rows of 1 of 2 ingests" in done.stdout
        assert str(lost.ingest_id) in done.stdout
        with made.stores() as work:
            assert made.run("check", "--give-up", check=False).returncode == 1
            assert work.sql("SELECT events FROM workloads") == [{"events": 1_000}]
            assert made.run("check").returncode == 0
            assert work.ingest(500, 6, target).events == 500
            assert work.sql("SELECT events FROM workloads") == [{"events": 1_500}]
    proof("restore: an ingest whose rows were in no backup was named; its file, sent again, is in")


class Slow(Folder):
    """A folder beside which somebody commits once while a file is put there."""

    def __init__(self, path: Path, commit: Callable[[], object]) -> None:
        super().__init__(path)
        self.commit: Callable[[], object] | None = commit

    def put(self, name: str, file: Path) -> None:
        super().put(name, file)
        if commit := self.commit:
            self.commit = None
            commit()


def test_what_is_committed_while_the_log_is_sent_is_sent_next(tmp_path: Path) -> None:
    with place() as made, made.stores() as work:
        work.migrate()
        target = Slow(made.kept, work.workload)
        follower, receiver = Follower(work.settings, target), Receiver(work.settings, tmp_path)
        client = clickhouse.connect(work.settings.clickhouse)
        system = work.sql("SELECT system_identifier::text AS s FROM pg_control_system()")[0]["s"]
        try:
            with postgres.connect(work.settings.database, "test") as pg:
                follower.look(pg, client, receiver, made.kept.parent)
                assert target.commit is None
                committed = work.sql("SELECT pg_current_wal_flush_lsn()::text AS lsn")[0]["lsn"]
                follower.look(pg, client, receiver, made.kept.parent)
                # Nothing happened since, and yet the log was sent again.
                reached = wal.position(target, system)
        finally:
            client.close()
            receiver.stop()
        assert reached is not None
        assert timeline.value(reached.lsn) > timeline.value(committed)
        assert wal.listed(target, system)[-1].until > f"{timeline.value(committed):016X}"
