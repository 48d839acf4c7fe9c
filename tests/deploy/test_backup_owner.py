"""A folder of backups belongs to one installation and one line of it; a follower says how it is."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from netra.backup import wal
from netra.backup.destination import Folder
from tests.conftest import temporary_home
from tests.deploy.backup.place import NETRA, Place, Work, place
from tests.deploy.conftest import Proof
from tests.deploy.test_backup import until_sent
from tests.deploy.test_backup_log import Follow, begun, eventually


@pytest.fixture
def made() -> Iterator[Place]:
    with place() as there:
        yield there


def netra(made: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NETRA, *arguments], env=made.environment, capture_output=True, text=True)


def plain(text: str) -> str:
    return " ".join(text.split())


def refused(made: Place, *arguments: str, words: str) -> None:
    done = made.run(*arguments, check=False)
    assert done.returncode == 1, arguments
    assert words in plain(done.stderr), arguments
    assert "Traceback" not in done.stderr


def says(follow: Follow, words: str) -> None:
    assert words in plain(follow.log.read_text())


def is_not_well(made: Place, words: str) -> None:
    """What `netra health backup` and `netra doctor` say."""
    health = netra(made, "health", "backup")
    assert health.returncode == 1, health.stdout
    assert words in plain(health.stdout)
    assert netra(made, "health", "backup", "--alive").returncode == 0
    state, found = doctor(made)
    assert state == "fail"
    assert words in found


def doctor(made: Place) -> tuple[str, str]:
    """What it says of the follower."""
    checks = json.loads(netra(made, "doctor", "--json").stdout)
    (found,) = (c for c in checks if c["name"] == "backup follower")
    return found["state"], found["found"]


def timelines(made: Place, work: Work) -> tuple[int, bool]:
    """The timeline of whoever wrote last, and whether it goes on."""
    system = work.sql("SELECT system_identifier::text AS s FROM pg_control_system()")[0]["s"]
    said = wal.position(Folder(made.kept), system)
    assert said
    assert said.by
    return said.timeline, not said.by.over


def has_taken_over(made: Place, work: Work) -> None:
    assert timelines(made, work) == (2, True)


@pytest.mark.timeout(300)
def test_a_restored_copy_cannot_spoil_the_backups_of_a_living_original(
    made: Place, proof: Proof
) -> None:
    with temporary_home() as home, made.stores() as work:
        begun(made, work)
        original = Follow(made)
        until_sent(work, made.kept)
        copy = Place(home=home, kept=made.kept)
        copy.run("restore")
        with copy.stores() as own:
            for store in ("postgres", "clickhouse", "redis"):
                refused(copy, "take", store, words="goes on with the backups in")
            stopped = Follow(copy)
            eventually(lambda: says(stopped, "goes on with the backups in"))
            eventually(lambda: is_not_well(copy, "goes on with the backups in"))
            assert stopped.end(signal.SIGTERM) == 1
            assert timelines(made, work) == (1, True)
            # The original was disturbed in nothing.
            work.workload()
            until_sent(work, made.kept)
            made.run("take", "postgres", "--incremental")
            # It is silent: the copy takes over, and the original is told so.
            assert original.end(signal.SIGTERM) == 0
            assert timelines(made, work) == (1, False)
            taker = Follow(copy)
            eventually(lambda: has_taken_over(copy, own))
            copy.run("take", "postgres")
            refused(made, "take", "all", words="(timeline 2) has taken them over")
            superseded = Follow(made)
            eventually(lambda: says(superseded, "(timeline 2) has taken them over"))
            eventually(lambda: is_not_well(made, "(timeline 2) has taken them over"))
            assert superseded.end(signal.SIGTERM) == 1
            has_taken_over(copy, own)
            own.workload()
            until_sent(own, made.kept)
            last = own.fingerprint()
            assert taker.end(signal.SIGTERM) == 0
    listed = made.run("list").stdout
    assert "system, timeline" in listed
    made.destroy()
    assert made.json("restore")["postgres"]["hole"] is None
    with made.stores() as work:
        assert work.fingerprint() == last
    proof(
        "backup: a restored copy beside its living original is refused, takes over once that is"
        " silent, and the original is refused from then on"
    )


@pytest.mark.timeout(240)
def test_another_installation_is_not_let_into_a_folder(made: Place, proof: Proof) -> None:
    with made.stores() as work:
        begun(made, work)
    before = {p for p in made.kept.rglob("*") if p.is_file()}
    with place() as other:
        stranger = Place(home=other.home, kept=made.kept)
        with stranger.stores() as work:
            work.migrate()
            for words in (("take", "all"), ("take", "redis"), ("take", "clickhouse")):
                refused(stranger, *words, words="holds backups of another installation")
            refused(stranger, "take", "clickhouse", "--incremental", words="another installation")
            follow = Follow(stranger)
            eventually(lambda: says(follow, "holds backups of another installation"))
            assert follow.end(signal.SIGTERM) == 1
    after = {p for p in made.kept.rglob("*") if p.is_file()}
    assert after == before
    proof("backup: another installation is let into a folder by no command, and leaves no file")


@pytest.mark.timeout(180)
def test_a_follower_that_does_not_get_through_says_so(made: Place, proof: Proof) -> None:
    with made.stores() as work, place() as other:
        begun(made, work)
        none = netra(made, "health", "backup")
        assert none.returncode == 1
        follow = Follow(made)
        until_sent(work, made.kept)
        well = netra(made, "health", "backup")
        assert well.returncode == 0
        assert "has what was committed up to" in plain(well.stdout)
        # It is this installation's, and no other's of the same user.
        assert netra(other, "health", "backup").returncode == 1
        aside = made.kept.with_name("aside")
        made.kept.rename(aside)
        made.kept.touch()
        eventually(lambda: is_not_well(made, "nothing has got through"))
        assert follow.end(signal.SIGTERM) == 1
        says(follow, "told to stop, and what is new was NOT sent")
        ended = netra(made, "health", "backup")
        assert ended.returncode == 1
        assert "which has ended" in plain(ended.stdout)
        made.kept.unlink()
        aside.rename(made.kept)
        again = Follow(made)
        until_sent(work, made.kept)
        eventually(lambda: is_well(made))
        again.process.kill()
        again.process.wait(30)
        assert netra(made, "health", "backup").returncode == 1
        state, found = doctor(made)
        assert state == "warn"
        assert "has ended" in found
    proof("backup follow: where nothing gets through, health, doctor, log and exit code say so")


def is_well(made: Place) -> None:
    assert netra(made, "health", "backup").returncode == 0
    assert doctor(made)[0] == "ok"
