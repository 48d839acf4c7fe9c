"""For how long replicas are paid."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.serving.paid_time import paid_s


def paid(
    on: list[int], least: int, served: list[tuple[int, float, float]], replicas: int = 2
) -> float:
    """Ticks every ten seconds; requests as (replica, arrival, finish)."""
    return paid_s(
        on=np.array(on, np.int64),
        interval_s=10.0,
        least=least,
        replicas=replicas,
        replica=np.array([r for r, _, _ in served], np.int64),
        arrival_s=np.array([arrival for _, arrival, _ in served], np.float64),
        finish_s=np.array([finish for _, _, finish in served], np.float64),
    )


def test_what_is_always_on_is_paid_until_the_last_request_has_finished() -> None:
    assert paid([], 2, [(0, 0.0, 35.0), (1, 1.0, 4.0)]) == 70.0
    assert paid([2, 2, 2], 2, [(0, 0.0, 35.0)]) == 70.0


def test_a_replica_is_paid_from_its_tick_on() -> None:
    assert paid([1, 2, 2], 1, [(0, 0.0, 35.0)]) == 35.0 + 25.0


def test_a_replica_that_is_switched_off_is_paid_until_it_is_done() -> None:
    assert paid([2, 2, 1], 1, [(0, 0.0, 50.0)]) == 50.0 + 20.0
    assert paid([2, 2, 1], 1, [(0, 0.0, 50.0), (1, 15.0, 28.0)]) == 50.0 + 28.0


def test_time_is_paid_once_where_a_new_replica_meets_what_is_left_of_the_old() -> None:
    served = [(0, 0.0, 60.0), (1, 5.0, 38.0), (1, 45.0, 47.0)]
    assert paid([2, 1, 1, 2, 2, 1], 1, served) == 60.0 + 38.0 + (50.0 - 38.0)


def test_nothing_served_is_nothing_paid() -> None:
    assert paid([], 2, []) == pytest.approx(0.0)
