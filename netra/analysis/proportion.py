"""A share and its Wilson score interval (Wilson 1927), which keeps its level near 0 and 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, kw_only=True)
class Proportion:
    """`successes` of `n`, as a share from 0 to 1."""

    value: float
    low: float
    high: float
    level: float
    n: int


def wilson(successes: int, n: int, level: float = 0.9) -> Proportion:
    """The share of successes, with its interval.

    Raises:
        ValueError: n is not positive, or there are more successes than trials.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no proportion")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # the ends that are exact are not left to rounding
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Proportion(value=p, low=low, high=high, level=level, n=n)
