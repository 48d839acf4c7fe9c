"""The cheapest fleet that holds the limits, and what holding them better would cost: exactly.

Candidates are looked at in order of cost, so the first that holds all limits is the cheapest. The
front of (cost, stress) is what a dearer fleet improves: stress is the largest share of a limit that
is used, so a fleet of stress 0.5 would hold limits half as high. Nothing is assumed about how
stress falls with replicas (with a router it need not): a fleet is passed over only if a lower bound
of its stress, valid in every schedule, is no better than what a fleet of at most its cost reaches.

Branch and bound (Land & Doig 1960) with three bounds, from the cheapest to the dearest to compute:
each request alone on a replica (`unloaded`), the work against the hardware (`demand_bound`), and a
simulation of the first part of the trace (`evaluation.probe`).

Cost: O(candidates) comparisons, and a simulation of the trace for each that no bound rules out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from netra.analysis.serving.search.configuration import (
    Candidate,
    Configuration,
    candidates_of,
    cost_key,
)
from netra.analysis.serving.search.demand_bound import DemandBound, demand_bound
from netra.analysis.serving.search.evaluation import Evaluation, evaluate, probe
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.analysis.serving.search.unloaded import least_stress, unloaded
from netra.analysis.serving.search.work_rates import work_rates
from netra.errors import StageCancelled

#: Fleets that are simulated at once; what is passed over does not depend on the threads.
_WAVE = 4


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which fleets are candidates, and which part of the front is asked for."""

    max_gpus: int = 64
    max_replicas: int = 64
    #: Fleets that miss a limit by more than this factor are not of interest.
    worst_stress: float = 4.0
    #: Nor are those that cost more than this times the cheapest that holds.
    dearest: float = 2.0
    #: Nor are those that cost more than this, USD an hour: another search found one that holds.
    usd_per_hour: float = math.inf


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The result of a search."""

    #: The cheapest fleet that holds all limits; None: no candidate does.
    cheapest: Evaluation | None
    #: The fleets that nothing as cheap or cheaper improves on, by cost.
    front: tuple[Evaluation, ...]
    #: The fleet that misses the limits least, if none holds them.
    closest: Evaluation | None
    candidates: int
    #: How many were simulated, and how many each bound ruled out.
    simulated: int
    ruled_out: dict[str, int]


@dataclass(kw_only=True)
class _Search:
    """What is known while the search goes on."""

    trace: Trace
    limits: list[Limit]
    scope: Scope
    bounds: dict[int, tuple[float, DemandBound]]
    front: list[Evaluation] = field(default_factory=list[Evaluation])
    simulated: int = 0
    ruled_out: dict[str, int] = field(
        default_factory=lambda: {"unloaded": 0, "demand": 0, "probe": 0, "cost": 0}
    )

    @property
    def best(self) -> float:
        """The least stress of a fleet cheaper than those that are looked at."""
        return self.front[-1].stress if self.front else math.inf

    def bound(self, candidate: Candidate) -> tuple[float, str]:
        """A lower bound of its stress, and where that comes from."""
        alone, demand = self.bounds[id(candidate.configuration)]
        servers = candidate.replicas * candidate.configuration.engine.ranks
        loaded = demand.least_stress(servers)
        return (alone, "unloaded") if alone >= loaded else (loaded, "demand")

    def hopeless(self, bound: float) -> bool:
        """Whether a fleet of that stress or more is no improvement on a cheaper one."""
        return bound >= self.best or bound > self.scope.worst_stress


def search(
    trace: Trace,
    configurations: Sequence[Configuration],
    limits: Sequence[Limit],
    *,
    scope: Scope | None = None,
    threads: int = 1,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Found:
    """The cheapest fleet and the front.

    Args:
        trace: the requests.
        configurations: replicas that can be had; each must be able to serve the longest request.
        limits: with the safety margin taken off.
        scope: which fleets are candidates.
        threads: simulations at once; the result does not depend on it.
        progress: is told the share that is done, and a few words.
        cancelled: says whether to stop; asked between simulations.

    Raises:
        StageCancelled: it was asked to stop.
    """
    scope = scope or Scope()
    candidates = candidates_of(
        configurations, max_gpus=scope.max_gpus, max_replicas=scope.max_replicas
    )
    bounds = {id(c): _bounds(trace, c, limits) for c in configurations}
    found = _run(trace, candidates, list(limits), scope, bounds, threads, progress, cancelled)
    if not found.front and candidates:
        # Nothing comes near: then how near is the question.
        anything = Scope(worst_stress=math.inf, usd_per_hour=scope.usd_per_hour)
        found = _run(
            trace, candidates, list(limits), anything, bounds, threads, progress, cancelled
        )
    return found


def _bounds(
    trace: Trace, configuration: Configuration, limits: Sequence[Limit]
) -> tuple[float, DemandBound]:
    engine = configuration.engine
    budget, slots = engine.max_num_batched_tokens, engine.max_num_seqs
    rates = work_rates(configuration.table, max_tokens=budget, max_sequences=slots)
    alone = least_stress(unloaded(trace, rates, budget=budget), list(limits))
    return alone, demand_bound(trace, rates, limits, budget=budget, slots=slots)


def _run(
    trace: Trace,
    candidates: list[Candidate],
    limits: list[Limit],
    scope: Scope,
    bounds: dict[int, tuple[float, DemandBound]],
    threads: int,
    progress: Callable[[float, str], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Found:
    state = _Search(trace=trace, limits=limits, scope=scope, bounds=bounds)
    cheapest: Evaluation | None = None
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        for same_cost in _by_cost(candidates):
            cost = cost_key(same_cost[0])
            affordable = min(
                scope.usd_per_hour,
                scope.dearest * cheapest.candidate.usd_per_hour if cheapest else math.inf,
            )
            if cost > affordable + 1e-9:
                state.ruled_out["cost"] += len(candidates) - done
                break
            best = _best_of(state, same_cost, pool, cancelled)
            if best is not None:
                state.front.append(best)
                cheapest = cheapest or (best if best.holds else None)
            done += len(same_cost)
            if progress:
                progress(done / len(candidates), f"{state.simulated} fleets simulated")
    front = tuple(state.front)
    return Found(
        cheapest=cheapest,
        front=front,
        closest=None if cheapest or not front else front[-1],
        candidates=len(candidates),
        simulated=state.simulated,
        ruled_out=state.ruled_out,
    )


def _by_cost(candidates: list[Candidate]) -> Iterator[list[Candidate]]:
    group: list[Candidate] = []
    for candidate in candidates:
        if group and cost_key(candidate) != cost_key(group[0]):
            yield group
            group = []
        group.append(candidate)
    if group:
        yield group


def _best_of(
    state: _Search,
    same_cost: list[Candidate],
    pool: ThreadPoolExecutor,
    cancelled: Callable[[], bool] | None,
) -> Evaluation | None:
    """The fleet of least stress among those of one cost, if it improves on all cheaper ones."""
    open_: list[tuple[float, Candidate]] = []
    for candidate in same_cost:
        bound, name = state.bound(candidate)
        if state.hopeless(bound):
            state.ruled_out[name] += 1
        else:
            open_.append((bound, candidate))
    open_.sort(key=lambda pair: (pair[0], pair[1].index))
    best: Evaluation | None = None
    at = 0
    while at < len(open_):
        if cancelled and cancelled():
            raise StageCancelled
        wave = open_[at : at + _WAVE]
        at += _WAVE
        least = best.stress if best else math.inf
        kept: list[Candidate] = []
        for bound, candidate in wave:
            if bound > least:
                state.ruled_out[state.bound(candidate)[1]] += 1
            else:
                kept.append(candidate)
        for outcome in pool.map(partial(_simulated, state, least), kept):
            if outcome is None:
                state.ruled_out["probe"] += 1
                continue
            state.simulated += 1
            if not state.hopeless(outcome.stress) and (best is None or _before(outcome, best)):
                best = outcome
    return best


def _simulated(state: _Search, least: float, candidate: Candidate) -> Evaluation | None:
    """The fleet on the whole trace; None: its first part was enough to rule it out."""
    certain = probe(state.trace, candidate, state.limits)
    if state.hopeless(certain) or certain > least:
        return None
    return evaluate(state.trace, candidate, state.limits)


def _before(one: Evaluation, other: Evaluation) -> bool:
    return (one.stress, one.candidate.index) < (other.stress, other.candidate.index)
