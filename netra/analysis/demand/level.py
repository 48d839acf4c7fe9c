"""Forecasts without a season: the mean or the median of the last windows, carried forward.

Cost: O(series × recent).
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats


def mean_level(history: Floats, recent: int, horizon: int) -> Floats:
    """The mean of the last `recent` windows; shapes (series, windows) → (series, horizon)."""
    return np.repeat(history[:, -recent:].mean(axis=1)[:, None], horizon, axis=1)


def median_level(history: Floats, recent: int, horizon: int) -> Floats:
    """The median of the last `recent` windows; shapes (series, windows) → (series, horizon)."""
    return np.repeat(np.median(history[:, -recent:], axis=1)[:, None], horizon, axis=1)
