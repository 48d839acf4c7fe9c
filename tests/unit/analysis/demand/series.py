"""Series with known truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def daily(
    series: int = 3, days: int = 12, season: int = 24, noise: float = 0.2, seed: int = 0
) -> Floats:
    """A daily sine times log-normal noise; shape (series, days * season)."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * season)
    shape = 2.0 + np.sin(2 * np.pi * hours / season)
    return shape * np.exp(rng.normal(0, noise, (series, len(hours))))


def bursty(series: int = 4, days: int = 12, season: int = 24, seed: int = 1) -> Floats:
    """Mostly silent, with bursts now and then; one series never says anything."""
    rng = np.random.default_rng(seed)
    shape = (series, days * season)
    found = np.where(rng.random(shape) < 0.1, rng.exponential(50.0, shape), 0.0)
    found[-1] = 0.0
    return found
