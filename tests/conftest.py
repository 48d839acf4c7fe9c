"""Real servers for the tests: the embedded stack, started once a session when first asked for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netra.embedded.info import StackInfo
from netra.embedded.processes import STORES
from netra.embedded.supervisor import running_stack
from netra.settings import ALIASES, Settings, load


def settings_without_stores(**more: str) -> Settings:
    """Settings of this environment, but with no store given, and every port a free one."""
    environ = {name: value for name, value in os.environ.items() if name not in ALIASES}
    return load(
        {**environ, "NETRA_EMBEDDED_API_PORT": "0", "NETRA_EMBEDDED_FLOWER_PORT": "0", **more}
    )


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder for a stack. Not below pytest's own (0700): PostgreSQL may run as another user."""
    home = Path(tempfile.mkdtemp(prefix="netra-test-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def migrate(info: StackInfo) -> None:
    """Runs the migrations of both stores, as the stack does."""
    done = subprocess.run(
        [sys.executable, "-m", "netra.store.migrate"],
        env={**os.environ, **info.environment, "NETRA_BOOTSTRAP_API_KEY": info.api_key},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def stores() -> Iterator[StackInfo]:
    """PostgreSQL, Valkey and ClickHouse, migrated, and nothing else running on them."""
    with (
        temporary_home() as home,
        running_stack(home, STORES, settings_without_stores()) as info,
    ):
        if importlib.util.find_spec("netra.store.migrate"):
            migrate(info)
        yield info


@pytest.fixture(scope="session")
def store_settings(stores: StackInfo) -> Settings:
    """Settings of a process that works with `stores`."""
    return load({**os.environ, **stores.environment})


@pytest.fixture(scope="session")
def stack() -> Iterator[StackInfo]:
    """The whole stack, stores of its own included."""
    with (
        temporary_home() as home,
        running_stack(home, settings=settings_without_stores()) as info,
    ):
        yield info
