"""The least replicas of one configuration that hold the limits.

Looked for from below, one by one, as far as bounds do not rule them out: behind a router, one
replica more may do worse, so that bisection could miss the least.

Cost: a simulation for each number of replicas that no bound rules out.
"""

from __future__ import annotations

from collections.abc import Sequence

from netra.analysis.serving.search.configuration import Candidate, Configuration
from netra.analysis.serving.search.demand_bound import demand_bound
from netra.analysis.serving.search.evaluation import Evaluation, evaluate, probe
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.search.unloaded import least_stress, unloaded
from netra.analysis.serving.search.work_rates import work_rates


def least_replicas(
    trace: Trace, configuration: Configuration, limits: Sequence[Limit], *, most: int
) -> Evaluation | None:
    """The smallest fleet of at most so many replicas that holds the limits; None: none does."""
    engine = configuration.engine
    budget, slots = engine.max_num_batched_tokens, engine.max_num_seqs
    rates = work_rates(configuration.table, max_tokens=budget, max_sequences=slots)
    if least_stress(unloaded(trace, rates, budget=budget), list(limits)) > 1.0:
        return None
    demand = demand_bound(trace, rates, limits, budget=budget, slots=slots)
    for replicas in range(1, most + 1):
        if demand.least_stress(replicas * engine.ranks) > 1.0:
            continue
        candidate = Candidate(configuration=configuration, replicas=replicas)
        if probe(trace, candidate, limits) > 1.0:
            continue
        found = evaluate(trace, candidate, limits)
        if found.holds:
            return found
    return None
