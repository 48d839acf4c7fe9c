"""How good forecasts were: absolute errors, interval scores, coverage.

Sources: Kolassa and Schütz, Advantages of the MAD/mean ratio over the MAPE (2007), for WAPE;
Gneiting and Raftery, Strictly proper scoring rules (2007), section 6.2, for the interval score.
Cost: O(values).
"""

from __future__ import annotations

import numpy as np

from netra.analysis.compiled import Floats

#: Of the mean level: what lies less than this outside an interval is rounding, and inside.
_ROUNDING = 1e-9


def wape(actual: Floats, forecast: Floats) -> float | None:
    """Sum of absolute errors over the sum of actuals, of any equal shapes; None: all are 0.

    To twelve digits: beyond them it is the rounding of sums.
    """
    total = float(np.abs(actual).sum())
    return round(float(np.abs(actual - forecast).sum()) / total, 12) if total > 0 else None


def interval_scores(actual: Floats, low: Floats, high: Floats, level: float) -> Floats:
    """Width, plus 2 / (1 - level) times how far the actual lies outside; less is better."""
    outside = np.maximum(low - actual, 0.0) + np.maximum(actual - high, 0.0)
    return (high - low) + 2.0 / (1.0 - level) * outside


def weighted_coverage(actual: Floats, low: Floats, high: Floats, weights: Floats) -> float | None:
    """Share of values within their intervals, of each series, weighted over the series.

    Shapes (origins, series, horizon) and (series,); None: nothing has weight.
    """
    near = _ROUNDING * np.abs(actual).mean(axis=(0, 2))[:, None]
    inside = ((actual >= low - near) & (actual <= high + near)).mean(axis=(0, 2))
    total = float(weights.sum())
    return float(inside @ weights) / total if total > 0 else None
