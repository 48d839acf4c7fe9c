"""Connections and migrations of ClickHouse."""

from __future__ import annotations

import pytest

from netra.errors import SettingsError, StoreUnavailable
from netra.settings import ClickHouse, Settings
from netra.store import clickhouse, clickhouse_migrations


def test_migrations_make_a_missing_database_and_run_once(store_settings: Settings) -> None:
    url = store_settings.clickhouse.url.rsplit("/", 1)[0] + "/fresh"
    client = clickhouse.connect(ClickHouse(url=url))
    client.command("DROP TABLE IF EXISTS schema_migrations")
    names = clickhouse_migrations.pending(client)
    assert names[0] == "0001_events"
    assert clickhouse_migrations.migrate(client) == names
    assert clickhouse_migrations.migrate(client) == []
    assert clickhouse_migrations.pending(client) == []
    # A migration cut short before it was noted runs again.
    client.command("TRUNCATE TABLE schema_migrations")
    assert clickhouse_migrations.migrate(client) == names
    client.command("DROP DATABASE fresh")


def test_nobody_answers() -> None:
    with pytest.raises(StoreUnavailable, match="ClickHouse"):
        clickhouse.connect(ClickHouse(url="http://netra:x@127.0.0.1:9/netra"))


@pytest.mark.parametrize("url", ["", "localhost:8123", "clickhouse://localhost/netra"])
def test_an_url_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="CLICKHOUSE_URL"):
        clickhouse.connect(ClickHouse(url=url))
