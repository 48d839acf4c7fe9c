"""What the fleet costs behind an autoscaler: the target that holds the limits for the least.

Each target (unfinished requests a replica) is simulated with the start-up delay, and priced by the
time for which replicas are on.

Cost: one simulation for each target and each least number of replicas.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netra.analysis.compiled import Int64s
from netra.analysis.serving.search.configuration import Candidate
from netra.analysis.serving.search.evaluation import Evaluation, evaluation_of
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.settings import Autoscaling
from netra.analysis.serving.simulator import simulate
from netra.errors import StageCancelled

#: Targets that are tried, as shares of the sequences that a replica runs at once.
TARGET_SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
#: How many least numbers of replicas are tried, from 1 to those of the static fleet.
_FLOORS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Autoscaled:
    """One autoscaler over the trace."""

    autoscaling: Autoscaling
    #: The most replicas that it may switch on.
    most: int
    evaluation: Evaluation
    #: Seconds that replicas are paid for.
    replica_s: float
    #: Replicas that are on from each tick on.
    replicas_on: Int64s


def cheapest_autoscaling(
    trace: Trace,
    candidate: Candidate,
    limits: Sequence[Limit],
    *,
    startup_s: float,
    most: int,
    cancelled: Callable[[], bool] | None = None,
) -> Autoscaled | None:
    """The autoscaler that holds the limits for the fewest replica seconds; None: none does.

    Raises:
        StageCancelled: it was asked to stop.
    """
    slots = candidate.configuration.engine.max_num_seqs * candidate.configuration.engine.ranks
    targets = sorted({max(1.0, round(share * slots)) for share in TARGET_SHARES})
    best: Autoscaled | None = None
    floors = np.unique(np.rint(np.linspace(1, candidate.replicas, _FLOORS)).astype(np.int64))
    for least in floors.tolist():
        for target in targets:
            if cancelled and cancelled():
                raise StageCancelled
            scaling = Autoscaling(least=least, target=target, startup_s=startup_s)
            found = _served(trace, candidate, limits, scaling, most)
            cheaper = best is None or found.replica_s < best.replica_s
            if found.evaluation.holds and cheaper:
                best = found
    return best


def _served(
    trace: Trace,
    candidate: Candidate,
    limits: Sequence[Limit],
    scaling: Autoscaling,
    most: int,
) -> Autoscaled:
    configuration = candidate.configuration
    fleet = dataclasses.replace(configuration.fleet(max(most, scaling.least)), autoscaling=scaling)
    service = simulate(
        trace.arrival_s,
        trace.input_tokens,
        trace.output_tokens,
        fleet=fleet,
        table=configuration.table,
        prefixes=trace.prefixes,
    )
    return Autoscaled(
        autoscaling=scaling,
        most=most,
        evaluation=evaluation_of(service, candidate, limits),
        replica_s=service.replica_s,
        replicas_on=service.replicas_on,
    )
