"""The stack as a normal user, who writes nowhere but in the home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from netra.embedded import account, info, processes, runfile
from netra.embedded.account import Account
from netra.embedded.home import Home
from tests.conftest import settings_without_stores
from tests.integration.embedded.probes import READ, WRITE, link, processes_of
from tests.shared_data import ROOT
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user; the other tests run as this one"
)


@pytest.fixture
def user() -> Account:
    found = account.unprivileged()
    assert found
    return found


@pytest.fixture
def python(home: Path, user: Account) -> Iterator[tuple[str, dict[str, str]]]:
    """A Python that the user can run, with this one's packages, and the environment it needs."""
    packages = next(p for p in sys.path if p.endswith("site-packages"))
    for needed in (Path(packages), ROOT):
        if closed := account.barrier(needed, user):
            pytest.skip(f"{user.name} may not enter {closed}")
    environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}", "PATH": os.defpath}
    real = Path(sys.executable).resolve()
    if account.barrier(real.parent, user) is None:
        yield str(real), environment
        return
    copy = home / "python"
    prefix = Path(sys.base_prefix)
    skipped = shutil.ignore_patterns("test", "site-packages", "share", "include", "*.a")
    shutil.copytree(prefix, copy, ignore=skipped, symlinks=True, copy_function=link)
    yield (
        str(copy / real.relative_to(prefix)),
        {**environment, "LD_LIBRARY_PATH": str(copy / "lib")},
    )


def test_everything_stays_in_the_home(
    home: Path, user: Account, python: tuple[str, dict[str, str]]
) -> None:
    own = home / "user"
    own.mkdir(mode=0o700)
    os.chown(own, user.uid, user.gid)
    program, environment = python
    stack = Home(own / ".local" / "share" / "netra")
    command = [program, "-m", "netra.embedded", "--home", str(stack.path)]
    process = subprocess.Popen(
        [*command, "--only", *processes.STORES],
        env={**environment, "HOME": str(own), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=own,
        user=user.uid,
        group=user.gid,
        extra_groups=[],
    )
    try:
        until(lambda: runfile.read(stack).state == "running")
        found = info.of_home(stack, settings_without_stores())
        assert found
        for name in processes.STORES:
            assert psutil.Process(found.pids[name]).uids().real == user.uid
            WRITE[name](found, 1)
            assert READ[name](found) == [1]
        assert {p.name for p in own.iterdir()} == {".local"}
        assert {p.stat().st_uid for p in own.rglob("*")} == {user.uid}
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert processes_of(stack.path) == []
