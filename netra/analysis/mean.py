"""A mean and its normal interval: mean ± z · s / √n (the central limit theorem)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

#: With fewer values the normal interval is too narrow to be worth printing.
MIN_VALUES = 30


@dataclass(frozen=True, kw_only=True)
class Mean:
    """In the unit of the values."""

    value: float
    low: float
    high: float
    level: float
    n: int


def mean(values: npt.NDArray[np.floating], level: float = 0.9) -> Mean | None:
    """The mean of `values`, shape (n,), no NaN; None: there are fewer than `MIN_VALUES`."""
    n = len(values)
    if n < MIN_VALUES:
        return None
    value = float(np.mean(values))
    half = NormalDist().inv_cdf((1 + level) / 2) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Mean(value=value, low=value - half, high=value + half, level=level, n=n)
