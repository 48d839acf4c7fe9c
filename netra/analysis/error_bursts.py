"""Hours with more failures than the overall rate can explain.

By Chernoff's bound, n requests that fail independently at rate p have k or more failures with
probability at most exp(-n KL(k/n || p)), KL being the divergence of two coins. An hour is named
when that is below `alpha` shared over all hours (Bonferroni), so that a trace without any burst
names one with probability below `alpha`. The overall rate includes the bursts, which makes the
test more careful.

Cost: O(hours).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALPHA = 0.01


@dataclass(frozen=True, kw_only=True)
class Burst:
    """One hour with too many failures."""

    #: Its place in the series, from 0.
    hour: int
    failed: int
    requests: int
    #: The rate over all hours.
    usual_rate: float
    #: No more than this is the chance of as many failures in some hour.
    chance: float


def error_bursts(
    failed: npt.NDArray[np.floating], requests: npt.NDArray[np.floating], alpha: float = ALPHA
) -> list[Burst]:
    """The hours with too many failures, the worst first.

    Args:
        failed, requests: counts for each hour in a row, shape (hours,).
    """
    total, failures = float(requests.sum()), float(failed.sum())
    if not 0 < failures < total:
        return []
    rate = failures / total
    hours = int(np.count_nonzero(requests))
    found: list[Burst] = []
    for hour in np.flatnonzero(failed > rate * requests).tolist():
        n, k = float(requests[hour]), float(failed[hour])
        chance = hours * math.exp(-n * _divergence(k / n, rate))
        if chance < alpha:
            found.append(
                Burst(hour=hour, failed=int(k), requests=int(n), usual_rate=rate, chance=chance)
            )
    return sorted(found, key=lambda burst: burst.chance)


def _divergence(a: float, b: float) -> float:
    """KL divergence of a coin of chance `a` from one of chance `b`, in nats."""
    return sum(x * math.log(x / y) for x, y in ((a, b), (1 - a, 1 - b)) if x > 0)
