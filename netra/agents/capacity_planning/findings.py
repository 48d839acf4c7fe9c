"""What was found of a fleet, as its chapter and its charts read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netra.agents.capacity_planning.requests import Requests
from netra.agents.profiling.sourced import Sourced
from netra.analysis.serving.search.fleet_search import Found
from netra.analysis.serving.search.limits import Limit

COLUMNS = ("ts", "input_tokens", "output_tokens")


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What the section is made of."""

    requests: Requests
    #: Without the margin, and with it.
    limits: Sequence[Limit]
    tightened: Sequence[Limit]
    margin: float
    model: str
    found: Found
    content: Mapping[str, Any]
    sourced: Sourced
    method: str


def fleet_words(fleet: Mapping[str, Any]) -> str:
    """`4 replicas of 2 x h100`."""
    replicas, per = fleet["replicas"], fleet["parallelism"]["gpus_per_replica"]
    return f"{replicas} replica{'s' if replicas != 1 else ''} of {per} x {fleet['gpu']}"


def short_name(limit: Limit) -> str:
    """`TTFT p95`."""
    name = limit.metric if limit.metric == "latency" else limit.metric.upper()
    return f"{name} p{100 * limit.q:g}"
