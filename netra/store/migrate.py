"""`python -m netra.store.migrate`: brings PostgreSQL and ClickHouse to the newest schema.

With `--to REVISION` PostgreSQL goes up or down to that revision. ClickHouse has no way down: its
scripts only add tables and columns, which an older version does not look at, so it stays.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from netra import settings as settings_module
from netra.errors import NetraError, StoreUnavailable
from netra.logging import configure
from netra.settings import Settings
from netra.store import clickhouse, clickhouse_migrations, postgres, revisions

log = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "migrations" / "postgres"
#: Serialises migrations started at the same time by several hosts.
_LOCK = 0x6E65747261
#: Between two looks at a store that does not answer yet, seconds.
_LOOK_S = 1.0


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def migrate_postgres(settings: Settings, revision: str = "head") -> None:
    """Brings PostgreSQL up or down to `revision`, under an advisory lock."""
    url = postgres.dsn(settings.database).replace("://", "+psycopg://", 1)
    url = url.replace("postgres+psycopg", "postgresql+psycopg", 1)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
            config = _config()
            config.attributes["connection"] = connection
            known = revisions.known()
            at = MigrationContext.configure(connection).get_current_revision()
            connection.rollback()
            if revision in known and at in known and known.index(revision) < known.index(at):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()


def wait(settings: Settings, patience_s: float) -> None:
    """Returns once both stores answer: a store that is started together with this needs a while.

    Raises:
        StoreUnavailable: one did not within `patience_s`, seconds.
    """
    end = time.monotonic() + patience_s
    stores: tuple[Callable[[], object], ...] = (
        lambda: postgres.connect(settings.database, "migrate").close(),
        lambda: clickhouse.connect(settings.clickhouse).close(),
    )
    for ask in stores:
        while True:
            try:
                ask()
                break
            except StoreUnavailable:
                if time.monotonic() >= end:
                    raise
                time.sleep(_LOOK_S)


def bootstrap(settings: Settings, api_key: str | None) -> None:
    """Makes the first tenant, and its API key when one is given."""
    with postgres.connect(settings.database, "migrate") as connection:
        connection.execute("INSERT INTO tenants (id) VALUES ('default') ON CONFLICT DO NOTHING")
        if api_key:
            connection.execute(
                "INSERT INTO api_keys (key_hash, tenant_id, name) VALUES (%s, 'default', 'first')"
                " ON CONFLICT DO NOTHING",
                [hashlib.sha256(api_key.encode()).hexdigest()],
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """0 once it is done; 1, with the reason, if a store or a setting was in the way."""
    asked = _parser().parse_args(arguments)
    try:
        settings = settings_module.of_process()
        configure("migrate", settings.logging)
        if asked.wait:
            wait(settings, asked.wait)
        migrate_postgres(settings, asked.to or "head")
        if asked.to not in (None, head()):
            print(f"PostgreSQL is at revision {asked.to}; ClickHouse stays as it is", flush=True)
            return 0
        clickhouse_migrations.migrate(clickhouse.connect(settings.clickhouse))
        bootstrap(settings, os.environ.get("NETRA_BOOTSTRAP_API_KEY"))
    except NetraError as e:
        return _failed(str(e))
    except OperationalError as e:
        return _failed(f"PostgreSQL: {e.orig}")
    return 0


def _failed(problem: str) -> int:
    """Says it as a line of the log, and in words to whoever is looking on."""
    log.critical("%s", problem)
    if sys.stderr.isatty():
        print(f"error: {problem}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m netra.store.migrate",
        description="Brings PostgreSQL and ClickHouse, of DATABASE_URL and CLICKHOUSE_URL, to the"
        " newest schema. Run twice it changes nothing; `netra up` does it by itself.",
    )
    known = revisions.known()
    parser.add_argument(
        "--to",
        metavar="REVISION",
        choices=known,
        help=f"bring PostgreSQL up or down to it ({known[0]} to {known[-1]}); ClickHouse stays",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="how long to wait for stores that do not answer yet",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
