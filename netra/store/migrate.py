"""`python -m netra.store.migrate`: brings PostgreSQL and ClickHouse to the newest schema."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from netra import settings as settings_module
from netra.logging import configure
from netra.settings import Settings
from netra.store import clickhouse, clickhouse_migrations, postgres

SCRIPTS = Path(__file__).parent / "migrations" / "postgres"
#: Serialises migrations started at the same time by several hosts.
_LOCK = 0x6E65747261


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def migrate_postgres(settings: Settings, revision: str = "head") -> None:
    """Upgrades to `revision`, under an advisory lock."""
    url = postgres.dsn(settings.database).replace("://", "+psycopg://", 1)
    url = url.replace("postgres+psycopg", "postgresql+psycopg", 1)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()


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


def main() -> None:
    settings = settings_module.current()
    configure("migrate", settings.logging)
    migrate_postgres(settings)
    client = clickhouse.connect(settings.clickhouse)
    clickhouse_migrations.migrate(client)
    bootstrap(settings, os.environ.get("NETRA_BOOTSTRAP_API_KEY"))


if __name__ == "__main__":
    main()
