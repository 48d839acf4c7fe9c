"""Whose a pid is that a worker's row names: real processes, told and started in different ways."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from netra.cli.checks import queue
from netra.cli.checks.check import Check, Subject
from netra.cli.checks.worker_process import whose
from netra.embedded.home import Home
from netra.ids import made_at, new_id
from netra.settings import Database, Settings
from netra.store.operating import WorkerRow
from tests.waiting import until

OWN = "postgresql://netra:word@127.0.0.1:5433/netra"
SCHEDULER = Path(__file__).parents[3] / "netra" / "engine" / "scheduler.py"


def subject(home: Path, *, running: bool = True) -> Subject:
    settings = Settings(database=Database(url=OWN))
    return Subject(home=Home(home), settings=settings, stack=None, running=running)


def row(pid: int, id: UUID | None = None, host: str = "") -> WorkerRow:
    return WorkerRow(
        id=id or new_id(),
        pool="cpu",
        host=host or platform.node(),
        pid=pid,
        concurrency=2,
        device="numpy",
        quiet_s=77.0,
        running=0,
    )


def made_ago(seconds: float) -> UUID:
    """An id as a worker made it that started so long ago."""
    then = int((time.time() - seconds) * 1000)
    return UUID(int=(then << 80) | (new_id().int & ((1 << 80) - 1)))


@contextmanager
def process(**told: str) -> Iterator[int]:
    started = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], **told})
    try:
        # For a moment after it begins, the kernel shows no environment.
        until(lambda: bool(psutil.Process(started.pid).environ()))
        yield started.pid
    finally:
        started.kill()
        started.wait()


def found(row: WorkerRow, on: Subject) -> list[Check]:
    return list(queue._silent("cpu", [row], on))


def test_an_id_says_when_it_was_made() -> None:
    assert made_at(new_id()) == pytest.approx(time.time(), abs=5)
    assert made_at(made_ago(3600)) == pytest.approx(time.time() - 3600, abs=5)


@pytest.mark.parametrize(
    "told",
    [
        {"DATABASE_URL": OWN},
        {"DATABASE_URL": OWN.replace("word", "rotated")},
        {"DATABASE_URL": "postgresql://u:p@elsewhere/x", "NETRA_DATABASE_URL": OWN},
    ],
)
def test_a_worker_of_this_database_is_one(tmp_path: Path, told: dict[str, str]) -> None:
    with process(**told) as pid:
        assert whose(row(pid), subject(tmp_path)) == "worker"
        [check] = found(row(pid), subject(tmp_path))
    assert (check.state, "kill -CONT" in check.mend) == ("fail", True)


def test_the_worker_of_the_original_beside_which_a_copy_runs_is_none(tmp_path: Path) -> None:
    """Its row was restored with its id and pid, and it lives; its database is another."""
    original = {"DATABASE_URL": OWN.replace(":5433", ":5432"), "NETRA_EMBEDDED_HOME": "/original"}
    with process(**original) as pid:
        assert whose(row(pid), subject(tmp_path)) == "other"
        assert found(row(pid), subject(tmp_path)) == []


def test_what_was_started_after_the_worker_is_none(tmp_path: Path) -> None:
    """After a crash or a reboot a number comes round again, be it another worker's."""
    with process(DATABASE_URL=OWN) as pid:
        assert whose(row(pid, made_ago(60)), subject(tmp_path)) == "other"
        assert found(row(pid, made_ago(60)), subject(tmp_path)) == []


@pytest.mark.parametrize("told", [{}, {"DATABASE_URL": "postgresql://u:p@pooler:6432/netra"}])
def test_where_it_cannot_be_told_nobody_is_advised_to_kill(
    tmp_path: Path, told: dict[str, str]
) -> None:
    with process(**told) as pid:
        assert whose(row(pid), subject(tmp_path)) == "unknown"
        [check] = found(row(pid), subject(tmp_path, running=False))
    assert check.state == "warn"
    assert "kill" not in check.mend
    assert f"ps -o pid,lstart,args -p {pid}" in check.mend
    assert "goes by itself once it has been silent for 80 s" in check.mend


def test_a_worker_that_is_dead_is_nobody(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    try:
        end = time.monotonic() + 10
        while Path(f"/proc/{ended.pid}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < end
            time.sleep(0.01)
        assert whose(row(ended.pid), subject(tmp_path)) == "nobody"
    finally:
        ended.wait()
    assert whose(row(ended.pid), subject(tmp_path)) == "nobody"
    assert found(row(ended.pid), subject(tmp_path)) == []


def test_of_another_host_only_what_is_true_is_said(tmp_path: Path) -> None:
    [check] = found(row(1, host="elsewhere"), subject(tmp_path))
    assert (check.state, "kill" in check.mend) == ("warn", False)
    assert "look at host elsewhere" in check.mend
    assert "80 s" in check.mend


def test_a_row_goes_when_the_scheduler_says() -> None:
    [times] = re.findall(
        r"forget_workers\(settings\.worker_stale_s \* (\d+)\)", SCHEDULER.read_text()
    )
    assert int(times) == queue.FORGOTTEN_AFTER
