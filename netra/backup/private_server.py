"""A PostgreSQL server that nobody else can reach: a socket in a private folder, and no port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.rows import DictRow, dict_row

from netra.embedded.account import Account
from netra.errors import NetraError

_ALWAYS = {
    "listen_addresses": "",
    "max_connections": "20",
    "shared_buffers": "64MB",
    # Nothing connects before the recovery is over, so the limits may be smaller than the old ones.
    "hot_standby": "off",
    "logging_collector": "off",
    "archive_mode": "off",
    "ssl": "off",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@contextmanager
def server(
    cluster: Path,
    programs: Path,
    account: Account | None,
    *,
    role: str,
    database: str,
    options: Mapping[str, str],
    within_s: float,
) -> Iterator[psycopg.Connection[DictRow]]:
    """Runs the cluster for the length of the block; a connection to it, once it takes queries.

    Raises:
        NetraError: it ended, or took no queries within `within_s` seconds; its log is quoted.
    """
    # Short: the path of a socket may have no more than 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="netra-pg-"))
    try:
        access = folder / "hba.conf"
        access.write_text("local all all trust\n")
        if account:
            for path in (folder, access):
                os.chown(path, account.uid, account.gid)
        own = {"unix_socket_directories": str(folder), "hba_file": str(access)}
        settings = {**_ALWAYS, **own, **options}
        command = [str(programs / "postgres"), "-D", str(cluster)]
        command += [part for k, v in settings.items() for part in ("-c", f"{k}={v}")]
        log = folder / "log"
        process = _start(command, log, account)
        try:
            where = f"host={folder} user={role} dbname={database}"
            with _connected(where, process, log, within_s) as connection:
                yield connection
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: list[str], log: Path, account: Account | None) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
        )


def _connected(
    where: str, process: subprocess.Popen[bytes], log: Path, within_s: float
) -> psycopg.Connection[DictRow]:
    deadline = time.monotonic() + within_s
    while True:
        try:
            return psycopg.Connection[DictRow].connect(where, autocommit=True, row_factory=dict_row)
        except psycopg.OperationalError as e:
            if process.poll() is not None:
                raise NetraError(f"PostgreSQL ended: {_end(log)}") from e
            if time.monotonic() > deadline:
                raise NetraError(f"PostgreSQL does not answer: {_end(log)}") from e
        time.sleep(0.1)


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stops it as one does that will be started again: it writes everything out first."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
