"""A restore that does not end leaves nothing like a stack; the right stores are meant."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from netra.backup.destination import Folder
from netra.embedded import unfinished
from netra.embedded.home import Home
from netra.embedded.supervisor import Stack
from tests.deploy.backup.place import NETRA, Place, begin, place
from tests.deploy.conftest import Proof
from tests.deploy.test_backup import cut


@pytest.fixture(scope="module")
def lost() -> Iterator[tuple[Place, Any]]:
    """A stack that was backed up and is lost; what it held."""
    with place() as made:
        with made.stores() as work:
            work.migrate()
            work.ingest(2_000, 1)
            made.run("take", "all")
            held = work.fingerprint()
        made.destroy()
        yield made, held


def netra(made: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NETRA, *arguments], env=made.environment, capture_output=True, text=True)


@pytest.mark.timeout(120)
def test_every_hash_is_compared_before_the_first_byte_is_written(
    lost: tuple[Place, Any], tmp_path: Path
) -> None:
    made, _ = lost
    kept = tmp_path / "kept"
    for pattern in ("clickhouse/*/parts.tar", "redis/*/dump.rdb"):
        shutil.copytree(made.kept, kept)
        cut(next(kept.glob(pattern)))
        copy = Place(home=made.home, kept=kept)
        refused = copy.run("restore", "--with-redis", check=False)
        assert refused.returncode == 1
        assert pattern.rpartition("/")[2] in refused.stderr.replace("\n", "")
        assert not (made.home / "postgres" / "data").exists()
        assert not (made.home / "clickhouse" / "data").exists()
        assert unfinished.found(Home(made.home)) is None
        shutil.rmtree(kept)


@pytest.mark.timeout(240)
def test_a_restore_that_was_killed_half_way_is_not_started_and_begins_anew(
    lost: tuple[Place, Any], proof: Proof
) -> None:
    made, held = lost
    process = subprocess.Popen(
        [NETRA, "backup", "restore"],
        env=made.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # PostgreSQL is in its place, ClickHouse is not.
    ends = time.monotonic() + 60
    while not (made.home / "postgres" / "data").exists():
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.02)
    process.kill()
    process.wait(30)
    refused = netra(made, "up", "--detach")
    assert refused.returncode == 1
    assert "netra backup restore" in refused.stderr.replace("\n", " ")
    with pytest.raises(unfinished.UnfinishedRestore):
        Stack(Home(made.home), settings=made.settings).start()
    told = netra(made, "doctor")
    assert told.returncode == 1
    assert "restore" in told.stdout
    done = made.json("restore")
    assert done["consistency"]["lost_ingests"] == []
    with made.stores() as work:
        assert work.fingerprint() == held
        running = made.run("restore", check=False)
        assert running.returncode == 1
        assert "netra down" in running.stderr.replace("\n", " ")
    proof(
        "restore: killed between its halves: netra up and doctor refuse it, run again it is whole"
    )


@pytest.mark.timeout(120)
def test_a_url_that_is_given_is_never_ignored(tmp_path: Path) -> None:
    elsewhere = {"DATABASE_URL": "postgresql://netra:secret@127.0.0.1:1/prod"}
    begin(tmp_path)
    with place() as other, other.stores() as work:
        work.migrate()
        given = Place(home=other.home, kept=tmp_path, environ=elsewhere)
        away = given.run("take", "postgres", check=False)
        assert away.returncode == 1
        assert "127.0.0.1:1/prod" in away.stderr
        assert "secret" not in away.stderr
        for command in (("take", "all"), ("follow",), ("check",), ("take", "clickhouse")):
            refused = given.run(*command, check=False)
            assert refused.returncode == 2, command
            assert "CLICKHOUSE_URL" in refused.stderr.replace("\n", " ")
        # One store by its URL alone, and no word of the others.
        redis = Place(home=other.home, kept=tmp_path, environ={"REDIS_URL": work.info.redis_url})
        assert redis.json("take", "redis")[0]["store"] == "redis"
        assert "the stack that runs in" in other.run("take", "redis").stderr.replace("\n", " ")
    assert {n.partition("/")[0] for n in Folder(tmp_path).names("")} == {"begun", "redis"}


@pytest.mark.timeout(60)
def test_programs_end_with_the_command_that_started_them(tmp_path: Path) -> None:
    """`pg_basebackup` does not go on when `take` is killed."""
    pid = tmp_path / "pid"
    slow = "import sys; from netra.backup import programs; programs.run(sys.argv[1:])"
    shell = ["/bin/sh", "-c", f"echo $$ >{pid}; exec sleep 50"]
    process = subprocess.Popen([str(Path(NETRA).with_name("python")), "-c", slow, *shell])
    ends = time.monotonic() + 30
    while not pid.exists() or not pid.read_text().strip():
        assert time.monotonic() < ends
        time.sleep(0.05)
    child = psutil.Process(int(pid.read_text()))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    child.wait(20)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.timeout(180)
def test_a_full_disk_is_said_with_its_place_and_nothing_stays(
    small: Path, tmp_path: Path, proof: Proof
) -> None:
    kept = small / "backups"
    with place() as made, made.stores() as work:
        work.migrate()
        made.run("take", "postgres")
        # The destination is full, then the scratch folder is.
        missing = Place(home=made.home, kept=kept)
        assert "--create" in missing.run("take", "postgres", check=False).stderr
        assert "there is no folder" in missing.run("list", check=False).stderr
        full = missing.run("take", "postgres", "--create", check=False)
        scratch = {"NETRA_BACKUP_SCRATCH_DIR": str(small)}
        cramped = Place(home=made.home, kept=tmp_path / "kept", environ=scratch)
        no_room = cramped.run("take", "postgres", "--create", check=False)
        verified = Place(home=made.home, kept=made.kept, environ=scratch)
        told = verified.run("verify", check=False)
        for done in (full, no_room, told):
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            assert "No space left" in done.stderr.replace("\n", " ")
            assert str(small) in done.stderr.replace("\n", "")
        assert "MB are free" in full.stderr.replace("\n", " ")
        left = [p for p in small.rglob("*") if p.is_file() and p.stat().st_size]
        assert left == []
        refused = made.run("prune", "--keep-days", "0", check=False)
        assert refused.returncode == 2
        assert "nothing was deleted" in refused.stderr.replace("\n", " ")
        few = Place(home=made.home, kept=made.kept, environ={"NETRA_BACKUP_KEEP_DAYS": "-1"})
        assert few.run("prune", check=False).returncode == 2
        assert len(made.json("list")) == 1
    proof("backup: a full destination or scratch folder is said in a sentence, and left empty")
