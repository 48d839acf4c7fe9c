"""The forecast to beat: what was measured one season ago.

Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, section 5.2.
Cost: O(series × horizon).
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats
from netra.errors import InvalidInput


def seasonal_naive(history: Floats, season: int, horizon: int) -> Floats:
    """The last `season` windows again and again.

    `history` has shape (series, windows); the result (series, horizon), in the same unit.

    Raises:
        InvalidInput: the history is shorter than a season.
    """
    return repeated(history[:, -season:], season, horizon)


def repeated(one_season: Floats, season: int, horizon: int) -> Floats:
    """A profile of one season, which begins with the window after the history, to the horizon."""
    if one_season.shape[1] != season:
        raise InvalidInput(
            f"a season has {season} windows, and there are {one_season.shape[1]} to repeat"
        )
    return one_season[:, np.arange(horizon) % season]
