"""The best of several deployments under a limit, when their times are predicted and not measured.

Taking the best by predicted times takes those that were predicted too fast (the optimiser's curse,
Smith & Winkler, Management Science 52(3), 2006). So the limit is held against a high quantile of
what a time may turn out to be, and how high is learnt on cases whose outcome is known: the least
that breaks the limit no oftener than asked. Cost: O(cases x candidates x quantiles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netra.analysis.compiled import Floats, Int64s
from netra.analysis.proportion import wilson
from netra.errors import InsufficientData

#: Quantiles of the residuals that are tried.
QUANTILES: Final = tuple(round(0.50 + 0.01 * step, 2) for step in range(50))
#: Fewer picks say too little about how often a limit breaks.
LEAST_PICKS: Final = 20
#: The level whose upper end is passed in one of twenty cases.
_TWO_SIDED: Final = 0.90


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One choice: rows of a table of deployments, and the limit to hold."""

    rows: Int64s
    limit: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How picks turned out."""

    cases: int
    #: Cases in which some candidate was thought to hold the limit.
    picks: int
    #: Picks whose measured time is over the limit.
    violations: int
    #: Mean over all cases of the pick's throughput over the best that holds the limit; 0 without a
    #: pick. A pick over the limit may have more than the best.
    throughput_of_oracle: float
    #: The same, where a pick over the limit counts as 0.
    throughput_held: float
    #: The sum of the picks' throughput over the sum of the best, all cases.
    throughput_of_sums: float

    @property
    def violation_share(self) -> float:
        return self.violations / self.picks if self.picks else 0.0


def choose(rows: Int64s, time: Floats, throughput: Floats, limit: float) -> int:
    """The row of greatest throughput whose time holds the limit, or -1."""
    held = rows[time[rows] <= limit]
    return int(held[np.argmax(throughput[held])]) if len(held) else -1


def outcome(
    cases: Sequence[Case],
    *,
    cautious: Floats,
    throughput: Floats,
    measured: Floats,
    measured_throughput: Floats,
) -> Outcome:
    """What picks by predictions come to, against measurements.

    Args:
        cases: each with at least one candidate that holds the limit as measured.
        cautious: predicted times, with what is added for safety; shape (n,).
        throughput: as predicted, shape (n,).
        measured: times, shape (n,).
        measured_throughput: shape (n,).
    """
    picks = violations = 0
    reached = held = taken = possible = 0.0
    for case in cases:
        pick = choose(case.rows, cautious, throughput, case.limit)
        best = choose(case.rows, measured, measured_throughput, case.limit)
        possible += float(measured_throughput[best])
        if pick < 0:
            continue
        taken += float(measured_throughput[pick])
        share = float(measured_throughput[pick] / measured_throughput[best])
        picks += 1
        reached += share
        if measured[pick] > case.limit:
            violations += 1
        else:
            held += share
    count = max(len(cases), 1)
    return Outcome(
        cases=len(cases),
        picks=picks,
        violations=violations,
        throughput_of_oracle=reached / count,
        throughput_held=held / count,
        throughput_of_sums=taken / possible if possible else 0.0,
    )


def least_cautious(
    cases: Sequence[Case],
    *,
    predicted: Floats,
    deviation: Floats,
    throughput: Floats,
    measured: Floats,
    measured_throughput: Floats,
    violation_share: float,
) -> float:
    """How many deviations to add to predicted times so that picks rarely break their limit.

    Args:
        predicted: times of rows whose outcome is known, predicted without them; shape (n,).
        deviation: of log(measured / predicted), as it was foretold of each row; shape (n,).
        violation_share: of picks, at most. Kept to with 95 % confidence: the upper end of Wilson's
            interval is held against it, since the least margin that happens to do is too small.

    Returns:
        The least number z >= 0, to be used as predicted * exp(z * deviation).

    Raises:
        InsufficientData: too few cases, or the share is broken at every quantile.
    """
    off = np.log(measured / predicted) / deviation
    for quantile in QUANTILES:
        z = max(0.0, float(np.quantile(off, quantile)))
        found = outcome(
            cases,
            cautious=predicted * np.exp(z * deviation),
            throughput=throughput,
            measured=measured,
            measured_throughput=measured_throughput,
        )
        if found.picks < LEAST_PICKS:
            break
        if wilson(found.violations, found.picks, _TWO_SIDED).high <= violation_share:
            return z
    raise InsufficientData(
        f"no margin keeps violations to {violation_share:.0%} on {len(cases)} known choices",
        needs=["more choices with known outcome, or closer predictions"],
    )
