"""The size of a fleet if steps take shorter or longer than they were said to.

All step times are multiplied by one factor: a source's errors are mostly common to all steps of a
deployment (a slower clock, an unknown kernel), and errors that are not would partly cancel.

Cost: that of `least_replicas` at both ends.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from netra.analysis.serving.search.configuration import Candidate, Configuration
from netra.analysis.serving.search.evaluation import Evaluation, evaluate
from netra.analysis.serving.search.least_replicas import least_replicas
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.step_time import StepTable


@dataclass(frozen=True, kw_only=True, eq=False)
class BandEnd:
    """One end of the band."""

    #: What all step times are multiplied by.
    factor: float
    #: What the chosen fleet reaches then.
    chosen: Evaluation
    #: The smallest fleet that holds the limits then; None: no number of replicas tried does.
    least: Evaluation | None


def scaled(table: StepTable, factor: float) -> StepTable:
    """Every step takes so much longer."""
    return StepTable(
        tokens_s=table.tokens_s * factor,
        sequences_s=table.sequences_s * factor,
        kv_s=table.kv_s * factor,
        pair_s=table.pair_s * factor,
    )


def over_band(
    trace: Trace, candidate: Candidate, limits: Sequence[Limit], *, deviation: float, most: int
) -> tuple[BandEnd, BandEnd]:
    """The fast and the slow end: steps of e^-deviation and e^deviation times their time."""
    return (
        _end(trace, candidate, limits, math.exp(-deviation), most),
        _end(trace, candidate, limits, math.exp(deviation), most),
    )


def _end(
    trace: Trace, candidate: Candidate, limits: Sequence[Limit], factor: float, most: int
) -> BandEnd:
    slower: Configuration = dataclasses.replace(
        candidate.configuration, table=scaled(candidate.configuration.table, factor)
    )
    chosen = Candidate(configuration=slower, replicas=candidate.replicas)
    return BandEnd(
        factor=factor,
        chosen=evaluate(trace, chosen, limits),
        least=least_replicas(trace, slower, limits, most=most),
    )
