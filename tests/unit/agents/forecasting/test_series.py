"""Demand points as they are, and requests counted by the window."""

from __future__ import annotations

import numpy as np
import pytest

from netra.agents.base import QuietContext
from netra.agents.forecasting.series import MOST_SERIES, read
from netra.errors import InsufficientData
from tests.unit.agents.forecasting.demands import inputs, points, rates, requests


def test_points_come_by_volume() -> None:
    of = rates(2)
    found = read(inputs(demand=points(of)), "requests", "model", QuietContext())
    assert found.names == ("client-2", "client-1", "client-0")
    assert np.array_equal(found.panel.rates, of[::-1])
    assert (found.panel.window_s, found.unit, found.n) == (600.0, "requests/s", of.size)


def test_the_smallest_series_are_added_up() -> None:
    of = np.ones((MOST_SERIES + 5, 300)) * np.arange(1, MOST_SERIES + 6)[:, None]
    found = read(inputs(demand=points(of)), "requests", "model", QuietContext())
    assert len(found.names) == MOST_SERIES + 1
    assert found.names[-1] == "(others)"
    assert found.panel.rates[-1, 0] == 1 + 2 + 3 + 4 + 5


@pytest.fixture
def counted() -> np.ndarray:
    """The first window is cut off, the last one too; 3 and 5 requests lie in the two between."""
    return np.array([1190, 1200, 1300, 1799, 1800, 1810, 1820, 1830, 2399, 2400], float)


def test_requests_are_counted_in_whole_windows(counted: np.ndarray) -> None:
    batch = requests(counted, ["a"] * 9 + ["b"])
    found = read(inputs(events=batch), "requests", "model", QuietContext())
    assert found.names == ("a",)
    assert found.panel.rates.tolist() == [[3 / 600, 5 / 600]]
    assert found.panel.start_s == 1200
    tokens = read(inputs(events=batch), "input_tokens", "none", QuietContext())
    assert tokens.names == ("all",)
    assert tokens.panel.rates.tolist() == [[30 / 600, 50 / 600]]
    assert (tokens.unit, tokens.columns) == ("tokens/s", ("ts", "input_tokens"))


def test_what_is_not_known_is_not_counted_as_nothing(counted: np.ndarray) -> None:
    batch = requests(counted, ["a"] * 10)
    with pytest.raises(InsufficientData) as raised:
        read(inputs(events=batch), "output_tokens", "none", QuietContext())
    assert raised.value.needs == ["output_tokens of every request"]
    with pytest.raises(InsufficientData):
        read(inputs(), "requests", "none", QuietContext())


def test_sessions_with_clocks_of_their_own_are_no_demand(counted: np.ndarray) -> None:
    times = np.sort(np.concatenate([np.zeros(10), counted]))
    sessions = [f"s{i % 10}" for i in range(20)]
    batch = requests(times, ["a"] * 20, sessions)
    with pytest.raises(InsufficientData) as raised:
        read(inputs(events=batch, anchored=False), "requests", "none", QuietContext())
    assert raised.value.needs == ["times of a common clock"]
    assert read(inputs(events=batch), "requests", "none", QuietContext()).n == 20


def test_mostly_holes_are_no_series() -> None:
    batch = points(rates(2))
    every_other = batch.filter(np.arange(batch.num_rows) % 7 > 2)
    with pytest.raises(InsufficientData) as raised:
        read(inputs(demand=every_other), "requests", "none", QuietContext())
    assert raised.value.needs == ["a rate in at least 80% of the windows of each series"]
