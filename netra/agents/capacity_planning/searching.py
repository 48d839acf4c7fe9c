"""The search in parts that stages may run each on its own, and the merge of what they found.

A part is the search over the configurations of some GPUs, on the whole trace and on its first part
(for the backtest). The front of all is the front of the parts' fronts, so that the merge gives
what one search over everything gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netra.agents.base import Context
from netra.agents.capacity_planning.fleets import by_key, candidate_of, key_of
from netra.analysis.serving.search.configuration import (
    Candidate,
    Configuration,
    candidates_of,
    cost_key,
)
from netra.analysis.serving.search.evaluation import Evaluation, evaluate
from netra.analysis.serving.search.fleet_search import Found, Scope, search
from netra.analysis.serving.search.limits import Limit
from netra.analysis.serving.search.trace import Trace
from netra.catalog.params.capacity import CapacityParams

#: The parts of a trace that are searched: all of it, and what the backtest may look at.
WHOLE = "whole"
FIT = "fit"


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What is searched for."""

    traces: Mapping[str, Trace]
    #: With the safety margin taken off.
    limits: Sequence[Limit]
    params: CapacityParams

    @property
    def scope(self) -> Scope:
        most = self.params.max_gpus
        return Scope(
            max_gpus=most,
            max_replicas=most,
            usd_per_hour=self.params.usd_per_hour_at_most or math.inf,
        )


def search_part(
    question: Question, configurations: Sequence[Configuration], context: Context
) -> dict[str, Any]:
    """The fronts over these configurations, as JSON.

    Raises:
        StageCancelled: the stage was asked to stop.
    """
    found: dict[str, Any] = {}
    for i, (name, trace) in enumerate(question.traces.items()):
        result = search(
            trace, configurations, question.limits,
            scope=question.scope, threads=question.params.threads,
            progress=_progress(context, i / len(question.traces), len(question.traces)),
            cancelled=context.cancelled,
        )  # fmt: skip
        found[name] = {
            "front": [key_of(e.candidate) for e in result.front],
            "candidates": result.candidates,
            "simulated": result.simulated,
            "ruled_out": result.ruled_out,
        }
    return found


def merged(
    question: Question,
    name: str,
    parts: Sequence[Mapping[str, Any]],
    configurations: Sequence[Configuration],
) -> Found:
    """The result of one search over the trace of that name, from those over its parts."""
    scope = question.scope
    known = by_key(configurations)
    places = {
        tuple(key_of(c)): c.index
        for c in candidates_of(
            configurations, max_gpus=scope.max_gpus, max_replicas=scope.max_replicas
        )
    }
    fleets: list[Evaluation] = []
    for part in parts:
        for key in part[name]["front"]:
            fleet = candidate_of(key, known)
            placed = Candidate(
                configuration=fleet.configuration,
                replicas=fleet.replicas,
                index=places[tuple(key)],
            )
            fleets.append(evaluate(question.traces[name], placed, question.limits))
    front, cheapest = _front(fleets, scope)
    ruled_out: dict[str, int] = {}
    for part in parts:
        for why, count in part[name]["ruled_out"].items():
            ruled_out[why] = ruled_out.get(why, 0) + count
    return Found(
        cheapest=cheapest,
        front=tuple(front),
        closest=None if cheapest or not front else front[-1],
        candidates=sum(part[name]["candidates"] for part in parts),
        simulated=sum(part[name]["simulated"] for part in parts),
        ruled_out=ruled_out,
    )


def _front(fleets: list[Evaluation], scope: Scope) -> tuple[list[Evaluation], Evaluation | None]:
    """The fleets that no other improves on, by cost, and the first that holds."""
    near = [f for f in fleets if f.stress <= scope.worst_stress] or fleets
    near.sort(key=lambda f: (cost_key(f.candidate), f.stress, f.candidate.index))
    front: list[Evaluation] = []
    cheapest: Evaluation | None = None
    for fleet in near:
        usd = cost_key(fleet.candidate)
        if cheapest and usd > scope.dearest * cheapest.candidate.usd_per_hour + 1e-9:
            break
        if not front or fleet.stress < front[-1].stress:
            front.append(fleet)
            cheapest = cheapest or (fleet if fleet.holds else None)
    return front, cheapest


def cost_bound(question: Question, configurations: Sequence[Configuration]) -> float | None:
    """A cost beyond which no front reaches: that of a fleet found by a quick search, times the
    factor of the scope. Of each way to lie on GPUs, only the largest batches are looked at.
    """
    largest: dict[tuple[Any, ...], Configuration] = {}
    for c in configurations:
        place = (c.gpu, c.tensor, c.data)
        engine = c.engine
        size = (engine.max_num_seqs, engine.max_num_batched_tokens)
        held = largest.get(place)
        if held is None or size >= (
            held.engine.max_num_seqs,
            held.engine.max_num_batched_tokens,
        ):
            largest[place] = c
    bounds: list[float] = []
    for trace in question.traces.values():
        scope = Scope(
            max_gpus=question.scope.max_gpus,
            max_replicas=question.scope.max_replicas,
            worst_stress=1.0,
            dearest=1.0,
        )
        found = search(
            trace, list(largest.values()), question.limits,
            scope=scope, threads=question.params.threads,
        )  # fmt: skip
        if found.cheapest is None:
            return None
        bounds.append(found.cheapest.candidate.usd_per_hour * question.scope.dearest)
    return max(bounds)


def _progress(context: Context, done: float, of: int) -> Callable[[float, str], None]:
    def progress(fraction: float, message: str) -> None:
        context.progress(0.6 * (done + fraction / of), message)

    return progress
