"""Stores for a benchmark: those that the environment names, else an embedded stack of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netra.embedded.processes import STORES
from netra.embedded.supervisor import running_stack
from netra.settings import ALIASES, Settings, load
from netra.store import clickhouse, clickhouse_migrations, migrate

_URLS = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL")


@contextmanager
def stores() -> Iterator[Settings]:
    """Settings of migrated stores; what was started is stopped and removed at the end."""
    if all(os.environ.get(name) for name in _URLS):
        settings = load()
        _migrate(settings)
        yield settings
        return
    plain = {name: value for name, value in os.environ.items() if name not in ALIASES}
    home = Path(tempfile.mkdtemp(prefix="netra-bench-"))
    # PostgreSQL may run as another user, which has to get through.
    home.chmod(0o711)
    try:
        with running_stack(home, STORES, load(plain)) as info:
            settings = load({**plain, **info.environment})
            _migrate(settings)
            yield settings
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _migrate(settings: Settings) -> None:
    migrate.migrate_postgres(settings)
    clickhouse_migrations.migrate(clickhouse.connect(settings.clickhouse))
    migrate.bootstrap(settings, None)
