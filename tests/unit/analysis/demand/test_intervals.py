"""Intervals do not claim certainty where forecasts have been wrong."""

from __future__ import annotations

import numpy as np

from netra.analysis.demand.forecast import forecast


def test_mostly_exact_forecasts_have_intervals_with_a_width() -> None:
    days = np.tile(10.0 + np.arange(24), 14)
    days[24 * 9 + 5] = 500.0
    _, total = forecast(days[None], 24, 24, 0.8, weekly=False)
    exact = np.tile(10.0 + np.arange(24), 14)
    _, certain = forecast(exact[None], 24, 24, 0.8, weekly=False)
    assert (total.high[-1] > total.low[-1] + 0.01).all()
    assert np.allclose(certain.high[-1], certain.low[-1])
