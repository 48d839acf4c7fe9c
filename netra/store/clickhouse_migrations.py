"""Brings ClickHouse to the newest schema: numbered SQL files, each applied once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netra.store.clickhouse import unavailable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SCRIPTS = Path(__file__).parent / "migrations" / "clickhouse"
_VERSIONS = """
    CREATE TABLE IF NOT EXISTS schema_migrations
    (version String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
    ENGINE = MergeTree ORDER BY version
"""


def migrate(client: Client) -> list[str]:
    """Applies what is missing and returns its names, oldest first.

    ClickHouse has no transactions over DDL: every statement must be repeatable (`IF NOT EXISTS`),
    so that a migration cut short, or run by two hosts at once, can simply run again.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
    """
    with unavailable():
        client.command(_VERSIONS)
        applied = _applied(client)
        missing = [path for path in sorted(SCRIPTS.glob("*.sql")) if path.stem not in applied]
        for path in missing:
            for statement in statements(path.read_text()):
                client.command(statement)
            client.insert("schema_migrations", [[path.stem]], ["version"])
    return [path.stem for path in missing]


def pending(client: Client) -> list[str]:
    """The migrations that this code knows and the database lacks."""
    with unavailable():
        client.command(_VERSIONS)
        applied = _applied(client)
    return sorted(path.stem for path in SCRIPTS.glob("*.sql") if path.stem not in applied)


def _applied(client: Client) -> set[str]:
    return {row[0] for row in client.query("SELECT version FROM schema_migrations").result_rows}


def statements(script: str) -> list[str]:
    """The statements of a script, without `--` lines; a `;` at the end of a line ends one."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join([*lines, ""]).split(";\n") if part.strip()]
