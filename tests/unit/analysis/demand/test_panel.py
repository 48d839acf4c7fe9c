"""Points come to stand in equal windows; holes are filled and counted."""

from __future__ import annotations

import numpy as np
import pytest

from netra.analysis.demand.panel import panel
from netra.errors import InsufficientData


def test_points_in_any_order_and_twice_in_a_window() -> None:
    times = np.array([1200.0, 0.0, 600.0, 0.0, 600.0, 1200.0, 1200.0])
    codes = np.array([0, 0, 0, 1, 1, 1, 1])
    rates = np.array([3.0, 1.0, 2.0, 10.0, 20.0, 30.0, 50.0])
    found = panel(times, codes, rates, 2)
    assert (found.window_s, found.start_s) == (600.0, 0.0)
    assert found.rates.tolist() == [[1, 2, 3], [10, 20, 40]]
    assert not found.filled.any()


def test_a_hole_gets_the_season_before_or_the_mean() -> None:
    times = np.array([0.0, 1, 2, 3, 5, 6])
    rates = np.array([4.0, 5, 6, 7, 9, 11])
    found = panel(times, np.zeros(6, np.int64), rates, 1, season_s=3)
    assert found.rates.tolist() == [[4, 5, 6, 7, 5, 9, 11]]
    assert found.filled.tolist() == [[False] * 4 + [True, False, False]]
    late = panel(np.array([0.0, 1, 1, 2]), np.array([0, 0, 1, 1]), np.array([1.0, 2, 4, 6]), 2)
    assert late.rates.tolist() == [[1, 2, 1.5], [5, 4, 6]]


def test_coarser_windows_keep_the_end() -> None:
    found = panel(np.arange(7.0) * 600, np.zeros(7, np.int64), np.arange(7.0), 1).coarser(1800)
    assert found.rates.tolist() == [[2.0, 5.0]]
    assert (found.window_s, found.start_s) == (1800.0, 600.0)
    with pytest.raises(InsufficientData):
        found.coarser(600)


def test_one_time_is_no_series() -> None:
    with pytest.raises(InsufficientData):
        panel(np.zeros(3), np.arange(3), np.ones(3), 3)
