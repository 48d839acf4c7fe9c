"""A Valkey of the tests' own beside the shared PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from netra.settings import Settings
from netra.store import postgres
from netra.store.queue import Queue
from tests.integration.bench import Bench
from tests.integration.valkey import Valkey, valkey

__all__ = ["valkey"]


@pytest.fixture
def progress_settings(store_settings: Settings, valkey: Valkey) -> Settings:
    return msgspec.structs.replace(store_settings, redis=valkey.settings)


@pytest.fixture
def bench(progress_settings: Settings) -> Iterator[Bench]:
    with postgres.connect(progress_settings.database, "test") as connection:
        connection.execute(
            "TRUNCATE facts, stage_results, dead_letters, stages, jobs, batches, workers CASCADE"
        )
        yield Bench(progress_settings, Queue(connection))
