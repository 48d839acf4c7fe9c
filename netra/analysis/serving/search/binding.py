"""Which limit keeps a cheaper fleet from holding, and by how much it misses.

Cost: one simulation for the fleet of one replica less; where no cheaper fleet is near, a search
for the one that misses least.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from netra.analysis.serving.search.configuration import Candidate, Configuration
from netra.analysis.serving.search.evaluation import Evaluation, evaluate
from netra.analysis.serving.search.fleet_search import Found, Scope, search
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace

#: Less than any two costs differ by.
_A_LITTLE_USD = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Missed:
    """A limit that a fleet misses."""

    fleet: Evaluation
    limit: Limit
    #: What the fleet reaches, seconds, and by which share it is over the limit.
    seconds: float
    over: float


def binding(
    trace: Trace,
    found: Found,
    limits: Sequence[Limit],
    configurations: Sequence[Configuration],
    scope: Scope,
) -> list[Missed]:
    """What the nearest cheaper fleets miss: one replica less, and the best cheaper one.

    If no fleet holds, what the closest misses. Empty if no candidate is cheaper.
    """
    if found.cheapest is None:
        return _missed(found.closest, limits) if found.closest else []
    best = found.cheapest.candidate
    cheaper: list[Evaluation] = []
    if best.replicas > 1:
        fewer = Candidate(configuration=best.configuration, replicas=best.replicas - 1)
        cheaper.append(evaluate(trace, fewer, limits))
    before = [e for e in found.front if e.candidate.index < best.index]
    if before and not _same(before[-1], cheaper):
        cheaper.append(before[-1])
    if not cheaper:
        below = dataclasses.replace(
            scope, worst_stress=math.inf, usd_per_hour=best.usd_per_hour - _A_LITTLE_USD
        )
        cheaper = list(search(trace, configurations, limits, scope=below).front[-1:])
    return [missed for fleet in cheaper for missed in _missed(fleet, limits)]


def _same(one: Evaluation, others: list[Evaluation]) -> bool:
    return any(
        one.candidate.configuration is o.candidate.configuration
        and one.candidate.replicas == o.candidate.replicas
        for o in others
    )


def _missed(fleet: Evaluation, limits: Sequence[Limit]) -> list[Missed]:
    """The limits over which the fleet is, the worst first."""
    found = [
        Missed(fleet=fleet, limit=limit, seconds=value, over=value / limit.seconds - 1.0)
        for value, limit in zip(fleet.values, limits, strict=True)
        if value > limit.seconds
    ]
    return sorted(found, key=lambda m: -m.over)
