"""The folder that holds everything the one-machine stack writes; nothing outside it is touched.

home/
  lock           held by the supervisor while it runs
  secrets.json   passwords and the first API key (0600)
  api-key        the first API key alone (0600)
      stack.json     the ports, kept from one start to the next
  run.json       what runs now: pids, states, URLs
  logs/          one file a process, begun anew at each start
  postgres/ valkey/ clickhouse/   the stores' own folders
  engines/       PostgreSQL's programs, when their account cannot reach the installed ones
  beats/         touched by workers and scheduler, for netra health
  cache/         compiled kernels
  restore-unfinished.json   there from the first byte of a restore to its end (see `unfinished`)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from netra.embedded.account import Account, barrier, unprivileged
from netra.errors import SettingsError

#: PostgreSQL's account must be able to pass through the home folder, and to list nothing in it.
_HOME_MODE = 0o711
_PRIVATE = 0o700


@dataclass(frozen=True)
class Home:
    """Names of what lies in the data folder."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def api_key(self) -> Path:
        return self.path / "api-key"

    @property
    def ports(self) -> Path:
        return self.path / "stack.json"

    @property
    def run(self) -> Path:
        return self.path / "run.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def clickhouse(self) -> Path:
        return self.path / "clickhouse"

    @property
    def engines(self) -> Path:
        return self.path / "engines"

    @property
    def beats(self) -> Path:
        return self.path / "beats"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def default_path() -> Path:
    """Where the home is when nobody says: `/var/lib/netra` for root, else below the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/netra")
    data = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is invalid, and ignored.
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return base / "netra"


def choose(option: str | Path | None, setting: str = "") -> Home:
    """The home that `--home` names, else the setting, else the default. Creates nothing."""
    named = str(option or setting)
    return Home(Path(named).expanduser().absolute() if named else default_path())


def prepare(home: Home) -> Account | None:
    """Makes the folders that are missing, and returns the account that PostgreSQL shall run as.

    Raises:
        SettingsError: a folder cannot be made, belongs to somebody else, or cannot be reached by
            PostgreSQL's account; the message names the folder and what to do.
    """
    account = unprivileged()
    try:
        _make(home.path, _HOME_MODE)
        for folder in (home.logs, home.valkey, home.clickhouse, home.beats, home.cache):
            _make(folder, _PRIVATE)
        _make(home.engines, 0o755)
        _make(home.postgres, _PRIVATE)
        if account and home.postgres.stat().st_uid != account.uid:
            os.chown(home.postgres, account.uid, account.gid)
    except OSError as e:
        raise SettingsError(
            f"{e.filename or home.path}: {e.strerror}; choose another folder with --home "
            "or NETRA_EMBEDDED_HOME"
        ) from e
    if account and (folder := barrier(home.path, account)):
        raise SettingsError(
            f"PostgreSQL runs as {account.name!r} here, which may not enter {folder}; choose a "
            f"folder that it can reach with --home or NETRA_EMBEDDED_HOME (by default "
            f"{default_path()}), or let it in yourself: chmod o+x {folder}"
        )
    return account


def _make(folder: Path, mode: int) -> None:
    """Makes `folder`, and parents that are missing; sets the mode only of what it makes."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        # The umask may have taken away what PostgreSQL's account needs to pass through.
        parent.chmod(mode if parent == folder else 0o755)
