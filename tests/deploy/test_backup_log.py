"""However the follower ends, the kept log has no hole; if it has one, that costs only itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from netra.backup import timeline, wal
from netra.backup.destination import Folder
from netra.backup.slot import SLOT
from netra.store import operating, postgres
from tests.deploy.backup.place import NETRA, Place, Work, begin, place
from tests.deploy.conftest import Proof
from tests.deploy.test_backup import until_sent

T = TypeVar("T")

#: More log than fits into two segments.
_MUCH = (
    "INSERT INTO noise SELECT string_agg(md5(random()::text), '') FROM"
    " generate_series(1, 1200000) i GROUP BY i % 1200"
)


@pytest.fixture
def made() -> Iterator[Place]:
    with place() as there:
        yield there


def begun(made: Place, work: Work) -> None:
    work.migrate()
    work.sql("CREATE TABLE noise (words text)")
    made.run("take", "all")


class Follow:
    """`netra backup follow`, and its receiver."""

    def __init__(self, made: Place, **environ: str) -> None:
        self.log = made.kept.parent / "follow.log"
        self.scratch = made.kept.parent / "scratch"
        self.scratch.mkdir(exist_ok=True)
        own = {"NETRA_BACKUP_SCRATCH_DIR": str(self.scratch), **environ}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [NETRA, "backup", "follow"],
                env={**made.environment, **own},
                stdout=log,
                stderr=log,
            )

    def receiver(self) -> psutil.Process:
        return eventually(
            lambda: next(
                p
                for p in psutil.Process(self.process.pid).children(recursive=True)
                if p.name() == "pg_receivewal"
            )
        )

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def eventually(look: Callable[[], T], within_s: float = 60) -> T:
    ends = time.monotonic() + within_s
    while True:
        with suppress(StopIteration, AssertionError, psutil.Error):
            return look()
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.1)


def ended(process: psutil.Process) -> None:
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def write_much(work: Work) -> None:
    work.sql(_MUCH)
    work.workload()


def stop(follow: Follow, how: str) -> None:
    """The three ends: told to, killed, killed with the loss of what it had received."""
    if how == "told":
        assert follow.end(signal.SIGTERM) == 0
        return
    receiver = follow.receiver()
    with suppress(ProcessLookupError):
        follow.process.kill()
        os.kill(receiver.pid, signal.SIGKILL)
    follow.process.wait(30)
    eventually(lambda: ended(receiver))
    if how == "lost":
        shutil.rmtree(follow.scratch)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["told", "killed", "lost"])
def test_the_end_of_the_follower_makes_no_hole(made: Place, how: str, proof: Proof) -> None:
    with made.stores() as work:
        begun(made, work)
        follow = Follow(made)
        until_sent(work, made.kept)
        # Received and confirmed, and not sent: the destination is away while much is written.
        aside = made.kept.with_name("aside")
        made.kept.rename(aside)
        made.kept.touch()
        write_much(work)
        received = work.sql("SELECT pg_current_wal_flush_lsn()::text AS lsn")[0]["lsn"]

        def lies_in_the_spool() -> None:
            (row,) = work.sql(
                "SELECT max(flush_lsn)::text AS lsn FROM pg_stat_replication"
                " WHERE application_name LIKE 'netra-backup-wal%%'"
            )
            assert timeline.value(row["lsn"]) >= timeline.value(received)

        eventually(lies_in_the_spool)
        if how == "told":
            made.kept.unlink()
            aside.rename(made.kept)
            stop(follow, how)
        else:
            stop(follow, how)
            made.kept.unlink()
            aside.rename(made.kept)
        (held,) = work.sql(
            "SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
        )
        write_much(work)
        again = Follow(made)
        until_sent(work, made.kept)
        last = work.fingerprint()
        assert again.end(signal.SIGTERM) == 0
    made.destroy()
    done = made.json("restore")
    assert done["postgres"]["hole"] is None
    with made.stores() as work:
        assert work.fingerprint() == last
        assert work.sql("SELECT count(*) AS n FROM noise") == [{"n": 2400}]
    assert made.json("verify")["hashes"]["holes"] == []
    proof(
        f"backup follow, {how}, with {timeline.number(received) - timeline.number(held['lsn'])}"
        " segments received since what the server holds for it: no hole, all rows restored"
    )


@pytest.mark.timeout(120)
def test_the_receiver_ends_with_the_follower(made: Place) -> None:
    with made.stores() as work:
        begun(made, work)
        follow = Follow(made)
        until_sent(work, made.kept)
        receiver = follow.receiver()
        follow.process.kill()
        follow.process.wait(30)
        eventually(lambda: ended(receiver), 10)


@pytest.mark.timeout(120)
def test_a_second_follower_sends_nothing_and_says_why(made: Place) -> None:
    with made.stores() as work:
        begun(made, work)
        first = Follow(made)
        until_sent(work, made.kept)
        elsewhere = begin(made.kept.with_name("elsewhere"))
        second = Follow(made, NETRA_BACKUP_URL=str(elsewhere))
        eventually(lambda: _says(second.log, "another netra backup follow"))
        assert [path.name for path in elsewhere.rglob("*") if path.is_file()] == ["begun"]
        # The other one is not disturbed, and its place is taken when it is gone.
        until_sent(work, made.kept)
        stop(first, "killed")
        eventually(lambda: next(elsewhere.rglob("position.json")))
        assert second.end(signal.SIGTERM) == 0


def _is(found: object, wanted: object) -> None:
    assert found == wanted


def _says(path: Path, words: str) -> None:
    assert words in path.read_text()


@pytest.mark.timeout(240)
def test_a_hole_costs_what_lies_in_it_and_nothing_else(made: Place, proof: Proof) -> None:
    with made.stores() as work:
        begun(made, work)
        follow = Follow(made)
        until_sent(work, made.kept)
        work.workload()
        before, held = work.now(), work.fingerprint()
        for _ in range(3):
            write_much(work)
        until_sent(work, made.kept)
        within = work.now()
        made.run("take", "postgres")
        work.workload()
        until_sent(work, made.kept)
        after, last = work.now(), work.fingerprint()
        assert follow.end(signal.SIGTERM) == 0
        system = work.sql("SELECT system_identifier::text AS s FROM pg_control_system()")[0]["s"]
    whole = [k for k in wal.listed(Folder(made.kept), system) if k.whole]
    # The second one of the noise, long before the second backup.
    lost = whole[len(whole) // 2]
    (made.kept / lost.name).unlink()
    checked = made.run("verify", "--hashes-only")
    assert "HOLES" in checked.stdout
    assert lost.segment in checked.stdout
    folder = made.kept.parent / "data"
    refused = made.run("restore-postgres", str(folder), "--until", within, check=False)
    assert refused.returncode == 1
    second = made.json("list")[1]
    assert lost.segment in refused.stderr
    assert second["id"] in refused.stderr.replace("\n", "")
    assert not folder.exists()
    for until, then in ((before, held), (after, last)):
        made.destroy()
        done = made.json("restore", "--until", until)
        assert done["postgres"]["hole"] is None
        with made.stores() as work:
            assert work.fingerprint() == then
    # All there is, where the newest backup has the hole behind it: up to it, and it says so.
    shutil.rmtree(made.kept / "postgres" / second["id"])
    made.destroy()
    told = made.run("restore", check=False)
    assert told.returncode == 1
    assert "NOT ALL" in told.stdout
    assert lost.segment in told.stdout.replace("\n", "")
    assert made.run("verify", "--hashes-only", check=False).returncode == 1
    with made.stores() as work:
        (row,) = work.sql("SELECT count(*) AS n FROM noise")
        assert 0 <= row["n"] < 3600
    proof("backup: a hole in the log: times before and behind it restored, one within refused")


@pytest.mark.timeout(240)
def test_log_that_the_server_threw_away_is_said_and_a_backup_ends_it(made: Place) -> None:
    with made.stores() as work:
        begun(made, work)
        follow = Follow(made)
        until_sent(work, made.kept)
        assert follow.end(signal.SIGTERM) == 0
        # As when it was away for longer than the server holds log for it.
        work.sql("SELECT pg_drop_replication_slot(%s)", [SLOT])
        for _ in range(3):
            write_much(work)
            work.sql("CHECKPOINT")
        again = Follow(made)
        eventually(lambda: _says(again.log, "the log has a hole"))
        until_sent(work, made.kept)
        made.run("take", "postgres")
        work.workload()
        until_sent(work, made.kept)
        last = work.fingerprint()
        assert again.end(signal.SIGTERM) == 0
    made.destroy()
    assert made.json("restore")["postgres"]["hole"] is None
    with made.stores() as work:
        assert work.fingerprint() == last


@pytest.mark.timeout(240)
def test_a_restored_server_goes_on_where_the_log_forked(made: Place) -> None:
    """Restored to an earlier time, written on, lost again: the first backup alone leads there."""
    with made.stores() as work:
        begun(made, work)
        follow = Follow(made)
        until_sent(work, made.kept)
        work.workload()
        at = work.now()
        write_much(work)
        # Of what is given up: newer, and yet of no use to what is written afterwards.
        made.run("take", "postgres")
        until_sent(work, made.kept)
        assert follow.end(signal.SIGTERM) == 0
    made.destroy()
    made.run("restore", "--until", at)
    with made.stores() as work:
        write_much(work)
        follow = Follow(made)
        write_much(work)
        until_sent(work, made.kept)
        last = work.fingerprint()
        assert follow.end(signal.SIGTERM) == 0
    made.destroy()
    assert made.json("restore")["postgres"]["hole"] is None
    with made.stores() as work:
        assert work.fingerprint() == last
        assert work.sql("SELECT count(*) AS n FROM noise") == [{"n": 2400}]


@pytest.mark.timeout(120)
def test_the_follower_serves_the_ages_of_what_is_kept(made: Place) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]

    def served() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = (line.rsplit(" ", 1) for line in lines if line.startswith("netra_backup_"))
        return {name: float(value) for name, value in found}

    with made.stores() as work:
        begun(made, work)
        follow = Follow(made, NETRA_METRICS_PORT=str(port))
        until_sent(work, made.kept)
        now = served()
        name = 'netra_backup_last_timestamp_seconds{kind="full",store="%s"}'
        for manifest in made.json("list"):
            ended = datetime.fromisoformat(manifest["ended_at"]).timestamp()
            assert abs(now[name % manifest["store"]] - ended) < 2
        reached = now["netra_backup_reached_timestamp_seconds"]
        assert abs(reached - time.time()) < 60
        until_sent(work, made.kept)
        assert served()["netra_backup_reached_timestamp_seconds"] > reached
        # Nobody streams through the slot, and yet it is read: while there is a follower.
        with postgres.connect(work.settings.database, "test") as pg:
            assert operating.unread_slots(pg) == {}
            stop(follow, "killed")
            eventually(lambda: _is(list(operating.unread_slots(pg)), [SLOT]))
