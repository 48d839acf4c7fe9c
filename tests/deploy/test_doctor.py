"""`netra doctor` on real stacks in which a fault was really made: the right cause, and no other."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from netra.client import JobRequest, Netra
from netra.embedded import info as information
from netra.embedded import runfile
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.ids import new_id
from netra.store import revisions
from tests.conftest import settings_without_stores
from tests.deploy.conftest import Proof

NETRA = str(Path(sys.executable).with_name("netra"))
PORTS = {"NETRA_EMBEDDED_API_PORT": "0", "NETRA_EMBEDDED_FLOWER_PORT": "0"}
#: Without them the doctor would load for seconds, and not at all where they are what is broken.
HEAVY = ("numpy", "numba", "pyarrow", "celery", "sqlalchemy", "alembic", "clickhouse_connect")

#: ClickHouse's folder is a small file system of its own, bytes.
_CLICKHOUSE_DISK = 256 << 20
#: The faults that were named, and nothing beside them.
NAMED: list[str] = []


def environ(**more: str) -> dict[str, str]:
    """This process's, without addresses of any other installation."""
    taken = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL", "NETRA_API_URL", "NETRA_API_KEY")
    return {k: v for k, v in os.environ.items() if k not in taken} | PORTS | more


def doctor(home: Path, *prefix: str, **more: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [*prefix, NETRA, "doctor", "--json", "--home", str(home)],
        env=environ(**more),
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def causes(checks: list[dict[str, Any]]) -> dict[str, str]:
    """What is wrong by itself: name, and what was found."""
    wrong = [c for c in checks if c["state"] in ("warn", "fail") and not c["because"]]
    assert all(c["mend"] for c in wrong), wrong
    return {c["name"]: c["found"] for c in wrong}


def diagnosed(home: Path, name: str, words: str, *prefix: str, **more: str) -> None:
    """Looks until the fault is seen, and then for nothing else beside it."""
    end = time.monotonic() + 30
    while True:
        code, checks = doctor(home, *prefix, **more)
        found = causes(checks)
        if set(found) == {name} or time.monotonic() > end:
            break
        time.sleep(1)
    assert set(found) == {name}, found
    assert words in found[name]
    assert code in (1, 3)
    NAMED.append(name)


def healthy(home: Path) -> None:
    end = time.monotonic() + 45
    while (found := doctor(home))[0] != 0 and time.monotonic() < end:
        time.sleep(1)
    assert found[0] == 0, causes(found[1])
    assert causes(found[1]) == {}


@contextmanager
def stack_at(home: Path, *options: str, **more: str) -> Iterator[StackInfo]:
    """A stack whose supervisor is a process of its own, as `netra up --detach` leaves it."""
    home.chmod(0o711)
    up = [NETRA, "up", "--detach", "--home", str(home), *options]
    started = subprocess.run(up, env=environ(**more), capture_output=True, text=True)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        found = information.of_home(Home(home), settings_without_stores())
        assert found
        yield found
    finally:
        subprocess.run([NETRA, "down", "--home", str(home)], env=environ(), check=True)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="netra-doctor-"))
    disk = path / "clickhouse"
    disk.mkdir(mode=0o700)
    size = f"size={_CLICKHOUSE_DISK}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(disk)], check=True)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def ill(home: Path) -> Iterator[StackInfo]:
    """The stack that falls ill and is cured again, test by test."""
    with stack_at(home) as info:
        healthy(home)
        yield info


@contextmanager
def held_still(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def supervisor(home: Path) -> int:
    pid = runfile.read(Home(home)).supervisor
    assert pid
    return pid


@contextmanager
def sql(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


# -- the ten faults -------------------------------------------------------------------------------


@pytest.mark.timeout(180)
@pytest.mark.parametrize("store", ["postgres", "valkey", "clickhouse"])
def test_a_store_that_is_down(ill: StackInfo, store: str) -> None:
    with held_still(supervisor(ill.home)):  # or it would be started again
        ill.kill(store)
        diagnosed(ill.home, store, "down or unreachable")
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_a_wrong_password(ill: StackInfo) -> None:
    right = ill.database_url.rpartition("@")[0].rpartition(":")[2]
    with sql(ill.database_url) as admin:
        admin.execute("ALTER ROLE netra PASSWORD 'changed'")
        try:
            diagnosed(ill.home, "postgres", "refuses the password")
        finally:
            admin.execute(f"ALTER ROLE netra PASSWORD '{right}'")
    client = redis.Redis.from_url(ill.redis_url)
    right = ill.redis_url.rpartition("@")[0].rpartition(":")[2]
    client.config_set("requirepass", "changed")
    try:
        diagnosed(ill.home, "valkey", "refuses the password")
    finally:
        client.config_set("requirepass", right)
        client.close()
    healthy(ill.home)


def test_a_schema_that_is_not_this_version_s(ill: StackInfo) -> None:
    with sql(ill.database_url) as pg:
        (newest,) = pg.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        for stamped, words in (("0001", "missing: 0002"), ("9999", "does not know")):
            pg.execute("UPDATE alembic_version SET version_num = %s", [stamped])
            try:
                diagnosed(ill.home, "postgres migrations", words)
            finally:
                pg.execute("UPDATE alembic_version SET version_num = %s", [newest])
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_what_the_doctor_says_of_an_old_schema_is_what_mends_it(ill: StackInfo) -> None:
    """Run as it is printed, on a stack whose addresses nobody has set anywhere."""
    back = [sys.executable, "-m", "netra.store.migrate", "--to", revisions.known()[-2]]
    subprocess.run(back, env=environ(**ill.environment), check=True, capture_output=True)
    diagnosed(ill.home, "postgres migrations", f"missing: {revisions.known()[-1]}")
    [mend] = [c["mend"] for c in doctor(ill.home)[1] if c["name"] == "postgres migrations"]
    command = mend.removeprefix("back up, then: ")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, shell=True, env=environ(PATH=path), check=True, capture_output=True)
    healthy(ill.home)
    # Where an installation is looked at by its addresses, they are set for the mend as well.
    with sql(ill.database_url) as pg:
        pg.execute("UPDATE alembic_version SET version_num = %s", [revisions.known()[-2]])
        try:
            _, checks = in_a_pod(ill)
        finally:
            pg.execute("UPDATE alembic_version SET version_num = %s", [revisions.known()[-1]])
    assert checks["postgres migrations"]["mend"] == "back up, then: python -m netra.store.migrate"


def test_a_pid_of_a_restored_row_is_nobody_s_to_kill(ill: StackInfo) -> None:
    """As after a restore beside the original: its workers' rows, and processes that live."""
    with tempfile.TemporaryDirectory() as elsewhere:
        told = {"NETRA_EMBEDDED_HOME": elsewhere, "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n"}
        original = subprocess.Popen(["sleep", "300"], env=environ(**told))
        try:
            with sql(ill.database_url) as pg:
                for number in (original.pid, os.getpid()):
                    pg.execute(
                        "INSERT INTO workers (id, pool, host, pid, concurrency, device,"
                        " heartbeat_at) VALUES (%s, 'cpu', %s, %s, 2, 'numpy',"
                        " clock_timestamp() - interval '20 s')",
                        [new_id(), platform.node(), number],
                    )
                _, checks = doctor(ill.home)
                found = causes(checks)
                assert "kill" not in json.dumps(checks)
                assert f"pid {original.pid}" not in json.dumps(checks), "another stack's"
                # This process's variables do not say whose it is.
                assert f"pid {os.getpid()} on" in found["worker-cpu"]
                pg.execute("DELETE FROM workers WHERE pid IN (%s, %s)", [original.pid, os.getpid()])
        finally:
            original.kill()
            original.wait()
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_a_stuck_lease(ill: StackInfo) -> None:
    """A worker dies with a stage, and a session that somebody left open locks the job's row."""
    with Netra(ill.api_url, ill.api_key) as netra:
        stages = ({"agent": "noop", "params": {"sleep_s": 30.0}},)
        job = netra.jobs.submit(JobRequest(stages=stages))  # pyright: ignore[reportArgumentType]
        end = time.monotonic() + 30
        while netra.jobs.get(job.id).state != "running":
            assert time.monotonic() < end
            time.sleep(0.2)
        left_open = psycopg.connect(ill.database_url, application_name="somebody")
        with contextlib.closing(left_open):
            left_open.execute("SELECT 1 FROM jobs WHERE id = %s FOR UPDATE", [job.id])
            ill.kill("worker-cpu")
            _until_overdue(ill)
            diagnosed(ill.home, "postgres transactions", "somebody")
            _, checks = doctor(ill.home)
            (leases,) = [c for c in checks if c["name"] == "leases"]
            assert leases["because"] == "postgres transactions"
            assert job.id in leases["found"]
            done = subprocess.run(
                [NETRA, "admin", "reset", "--application", "somebody", "--home", str(ill.home)],
                env=environ(),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
        healthy(ill.home)
        netra.jobs.cancel(job.id)


@pytest.mark.timeout(180)
def test_a_scheduler_that_hangs(ill: StackInfo) -> None:
    with held_still(ill.pids["scheduler"], supervisor(ill.home)):
        diagnosed(ill.home, "scheduler", "held still")
    healthy(ill.home)


def test_a_clock_that_is_wrong(ill: StackInfo) -> None:
    """This machine's clock, as the doctor's process has it, an hour ahead of the stores'."""
    diagnosed(ill.home, "machine clock", "+3600", "faketime", "-f", "+3600s")
    diagnosed(ill.home, "machine clock", "-5.", "faketime", "-f", "-5s")
    healthy(ill.home)


def test_an_eviction_policy_that_loses_work(ill: StackInfo) -> None:
    client = redis.Redis.from_url(ill.redis_url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        diagnosed(ill.home, "valkey eviction", "allkeys-lru")
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.close()
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_a_worker_that_cannot_be_reached(ill: StackInfo) -> None:
    pid = ill.pids["worker-cpu"]
    with held_still(pid):
        diagnosed(ill.home, "worker-cpu", str(pid))
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_a_slot_that_nobody_reads(ill: StackInfo) -> None:
    with sql(ill.database_url) as pg:
        pg.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
        try:
            diagnosed(ill.home, "postgres slots", "nobody reads left_behind")
        finally:
            pg.execute("SELECT pg_drop_replication_slot('left_behind')")
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_flower_open_to_everybody(ill: StackInfo) -> None:
    port = ill.ports["flower"]
    with held_still(supervisor(ill.home)):
        ill.kill("flower")
        command = [sys.executable, "-m", "celery", "-A", "netra.tasks.app:app", "flower"]
        opened = subprocess.Popen(
            [*command, "--address=0.0.0.0", f"--port={port}"],
            env=environ(**ill.environment, FLOWER_UNAUTHENTICATED_API="true"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _, checks = doctor(ill.home)
            end = time.monotonic() + 30
            while "without credentials" not in str(causes(checks)) and time.monotonic() < end:
                time.sleep(1)
                _, checks = doctor(ill.home)
            found = causes(checks)
            assert set(found) == {"flower"}, found
            assert "reachable from other machines" in found["flower"]
            NAMED.append("flower")
        finally:
            opened.kill()
            opened.wait()
    healthy(ill.home)


def test_a_full_disk(ill: StackInfo) -> None:
    """ClickHouse's folder is a file system of its own, and it fills up."""
    filling = ill.home / "clickhouse" / "filling"
    try:
        with pytest.raises(OSError, match="space"):
            filling.write_bytes(bytes(_CLICKHOUSE_DISK))
        diagnosed(ill.home, "disk clickhouse", "full")
    finally:
        filling.unlink()
    healthy(ill.home)


@pytest.mark.timeout(180)
def test_a_gpu_pool_without_a_gpu(home: Path, ill: StackInfo) -> None:
    """A production gpu worker is started on this machine, which has none."""
    strict = {"NETRA_WORKERS_ALLOW_CPU_FALLBACK": "false"}
    pid = ill.pids["worker-gpu"]
    with held_still(supervisor(home)):
        os.kill(pid, signal.SIGKILL)
        refused = subprocess.run(
            [sys.executable, "-m", "workers.gpu"],
            env={**environ(**ill.environment), **strict},
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 78, refused.stderr
        diagnosed(home, "gpu", "has no GPU", **strict)
    healthy(home)


def _until_overdue(ill: StackInfo) -> None:
    end = time.monotonic() + 60
    with sql(ill.database_url) as pg:
        while time.monotonic() < end:
            row = pg.execute(
                "SELECT 1 FROM stages WHERE state = 'running'"
                " AND lease_until < clock_timestamp() - interval '6 s'"
            ).fetchone()
            if row:
                return
            time.sleep(0.5)
    raise AssertionError("the lease did not run out")


# -- where no stack runs --------------------------------------------------------------------------


def in_a_pod(ill: StackInfo, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The doctor as in a pod: addresses in the environment, no home, the API on this host."""
    given = {
        "DATABASE_URL": ill.database_url,
        "REDIS_URL": ill.redis_url,
        "CLICKHOUSE_URL": ill.clickhouse_url,
        "NETRA_API_HOST": "0.0.0.0",
        "NETRA_API_PORT": str(ill.ports["api"]),
        # The stack runs on this machine's usual ports, and that is no matter.
        "NETRA_EMBEDDED_API_PORT": str(ill.ports["api"]),
        **more,
    }
    with tempfile.TemporaryDirectory() as nowhere:
        code, checks = doctor(Path(nowhere), **given)
    return code, {check["name"]: check for check in checks}


@pytest.mark.timeout(240)
def test_an_installation_is_examined_by_the_addresses_it_has(ill: StackInfo) -> None:
    code, checks = in_a_pod(ill)
    assert code == 0, causes(list(checks.values()))
    assert {checks[name]["state"] for name in ("postgres", "valkey", "clickhouse", "api")} == {"ok"}
    skipped = {name: check for name, check in checks.items() if check["state"] == "skip"}
    assert set(skipped) == {"home", "engines", "ports", "gpu", "processes", "flower"}
    assert all(check["found"] and not check["mend"] for check in skipped.values())

    code, checks = in_a_pod(ill, NETRA_API_PORT="1")
    assert (code, checks["api"]["state"]) == (0, "skip"), "a worker's pod: the API is not here"
    assert in_a_pod(ill, NETRA_API_PORT="1", NETRA_API_URL=ill.api_url)[0] == 0
    code, checks = in_a_pod(ill, NETRA_API_URL="http://127.0.0.1:1")
    assert (code, checks["api"]["state"]) == (1, "fail")
    code, checks = in_a_pod(ill, CLICKHOUSE_URL="")
    assert (code, checks["clickhouse"]["state"]) == (0, "skip")
    assert "CLICKHOUSE_URL is not set" in checks["clickhouse"]["found"]


@pytest.mark.timeout(240)
def test_a_gpu_pool_that_is_scaled_to_nothing_is_well_until_stages_wait(ill: StackInfo) -> None:
    with held_still(supervisor(ill.home)), sql(ill.database_url) as pg:
        ill.kill("worker-gpu")
        end = time.monotonic() + 60
        while in_a_pod(ill)[1]["workers gpu"]["found"] != "none runs, and no stage waits for one":
            assert time.monotonic() < end
            time.sleep(1)
        assert in_a_pod(ill)[0] == 0
        with Netra(ill.api_url, ill.api_key) as netra:
            stages = ({"agent": "noop", "params": {"sleep_s": 60.0}},)
            job = netra.jobs.submit(JobRequest(stages=stages))  # pyright: ignore[reportArgumentType]
            # No agent of the gpu pool is without a workload: this one's stage is moved there.
            with held_still(ill.pids["worker-cpu"]):
                pg.execute("UPDATE stages SET pool = 'gpu' WHERE job_id = %s", [job.id])
                code, checks = in_a_pod(ill)
            found = checks["workers gpu"]
            assert (code, found["state"]) in ((1, "warn"), (3, "warn")), found
            assert "1 stages wait for one" in found["found"]
            netra.jobs.cancel(job.id)
    healthy(ill.home)


def test_where_nothing_runs_the_doctor_says_so() -> None:
    none = Path(tempfile.gettempdir()) / f"netra-none-{os.getpid()}"
    code, checks = doctor(none)
    assert (code, causes(checks)["processes"]) == (3, "nothing runs here")
    shown = subprocess.run(
        [NETRA, "doctor", "--home", str(none)],
        env=environ(),
        capture_output=True,
        text=True,
    )
    assert shown.stdout.splitlines()[-1] == "nothing runs here: netra up"


@pytest.mark.timeout(180)
def test_a_stack_that_died_is_not_well() -> None:
    path = Path(tempfile.mkdtemp(prefix="netra-doctor-"))
    try:
        with stack_at(path):
            os.kill(supervisor(path), signal.SIGKILL)
            end = time.monotonic() + 90
            while True:  # its processes end by themselves, some later than others
                code, checks = doctor(path)
                assert code == 3
                found = causes(checks)["processes"]
                if "supervisor died" in found:
                    break
                assert "a crashed stack left these running" in found
                assert time.monotonic() < end, found
                time.sleep(2)
    finally:
        shutil.rmtree(path, ignore_errors=True)


# -- when there is next to nothing to examine -----------------------------------------------------


def test_it_loads_nothing_heavy_and_says_what_settings_are_wrong(
    ill: StackInfo, proof: Proof
) -> None:
    code = (
        "import sys; from netra.cli.main import main\n"
        f"try: main(['doctor', '--json', '--home', {str(ill.home)!r}])\n"
        "except SystemExit: pass\n"
        f"heavy = set({HEAVY!r}) & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env=environ(), capture_output=True)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    wrong = {"DATABASE_URL": "mysql://x", "REDIS_URL": "redis://h", "CLICKHOUSE_URL": "http://h"}
    with tempfile.TemporaryDirectory() as nowhere:
        for given, words in (
            (wrong, "DATABASE_URL is not accepted: database.url must be postgresql://"),
            ({"NETRA_QUEUE_LEASE_S": "soon"}, "NETRA_QUEUE_LEASE_S='soon'"),
        ):
            code_, checks = doctor(Path(nowhere), **given)
            assert code_ == 1
            assert words in causes(checks)["settings"]
    proof(
        f"doctor: {len(NAMED)} faults really made, each named and nothing beside it"
        f" ({', '.join(dict.fromkeys(NAMED))}); nothing on a healthy stack; {took:.1f} s a look"
    )
    assert len(set(NAMED)) >= 12
