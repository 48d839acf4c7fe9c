"""Whom PostgreSQL runs as. It refuses root, so root lends it another account."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from netra.errors import NetraError

#: Accounts to run PostgreSQL as when started by root, the best first. None is created.
CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Account:
    """An existing system account that is not root."""

    name: str
    uid: int
    gid: int


def unprivileged() -> Account | None:
    """The account to change to, or None when this process is not root and needs no other.

    Raises:
        NetraError: this is root, and the system has no account to lend.
    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise NetraError(
        "PostgreSQL does not run as root, and this system has none of the accounts "
        f"{', '.join(CANDIDATES)}; create one, or run Netra as a normal user"
    )


def barrier(path: Path, account: Account) -> Path | None:
    """The first folder on the way to (and including) `path` that `account` may not enter."""
    resolved = path.resolve()
    for folder in [*reversed(resolved.parents), resolved]:
        if folder.is_dir() and not _may_enter(folder.stat(), account):
            return folder
    return None


def _may_enter(entry: os.stat_result, account: Account) -> bool:
    if entry.st_uid == account.uid:
        return bool(entry.st_mode & stat.S_IXUSR)
    if entry.st_gid == account.gid:
        return bool(entry.st_mode & stat.S_IXGRP)
    return bool(entry.st_mode & stat.S_IXOTH)
