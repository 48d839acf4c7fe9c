"""Fixtures that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netra.settings import Settings
from netra.store import postgres
from netra.store.queue import Queue
from tests.integration.bench import Bench


@pytest.fixture
def bench(store_settings: Settings) -> Iterator[Bench]:
    connection = postgres.connect(store_settings.database, "test")
    connection.execute(
        "TRUNCATE facts, stage_results, dead_letters, stages, jobs, batches, workers, shares,"
        " outbox CASCADE"
    )
    connection.execute("UPDATE tenants SET weight = 1, max_running = NULL")
    try:
        yield Bench(store_settings, Queue(connection))
    finally:
        connection.close()
