"""What is swept is swept by one process at a time, and again after a failure."""

from __future__ import annotations

import threading

import pytest

from netra.engine.sweeper import Sweeper
from netra.errors import StoreUnavailable
from netra.store import postgres
from tests.integration.bench import Bench


def test_one_process_sweeps_at_a_time(bench: Bench) -> None:
    database = bench.settings.database
    began, go = threading.Event(), threading.Event()
    others: list[int] = []

    def slow(_: postgres.Connection) -> None:
        began.set()
        go.wait(30)

    first = Sweeper(database, slow, every_s=60)
    first.start()
    assert began.wait(30)
    second = Sweeper(database, lambda _: others.append(1), every_s=0.01)
    second.start()
    # Whoever goes is not kept by what hangs; nor do others sweep meanwhile.
    first.close(within_s=0.5)
    assert others == []
    go.set()
    first.close(within_s=30)
    for _ in range(3000):
        if others:
            break
        threading.Event().wait(0.01)
    second.close(within_s=30)
    assert others


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("unforeseen")])
def test_a_sweep_that_fails_is_made_again(bench: Bench, error: Exception) -> None:
    again = threading.Event()
    tries: list[int] = []

    def sweep(connection: postgres.Connection) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise error
        connection.execute("SELECT 1")
        again.set()

    sweeper = Sweeper(bench.settings.database, sweep, every_s=0.01)
    sweeper.start()
    assert again.wait(30)
    sweeper.close(within_s=30)
