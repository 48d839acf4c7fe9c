"""Stations in a row, simulated job by job: what the formulas of `capacity` are held against.

Jobs come at random (Poisson) and visit each station once, in order; each station has some servers
and one queue, first come first served. Service times vary as an exponential's do.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Station:
    name: str
    servers: int
    #: Mean time that a job keeps one server busy, seconds.
    service_s: float


@dataclass(frozen=True)
class Simulated:
    """What came of it, the first fifth of the jobs left out."""

    #: Jobs that left, a second.
    per_s: float
    #: From coming to leaving, mean, seconds.
    response_s: float


def simulate(row: list[Station], jobs_per_s: float, jobs: int, seed: int) -> Simulated:
    """O(jobs × stations × log servers). A station's jobs are served in the order they come."""
    random = np.random.default_rng(seed)
    came = np.cumsum(random.exponential(1 / jobs_per_s, jobs))
    there = came
    for station in row:
        order = np.argsort(there, kind="stable")
        service = random.exponential(station.service_s, jobs)
        left = np.empty(jobs)
        # When each server is free next; as many as can ever be busy at once are enough.
        free = [0.0] * min(station.servers, jobs)
        for i in order:
            begin = max(there[i], free[0])
            heapq.heapreplace(free, begin + service[i])
            left[i] = begin + service[i]
        there = left
    warm = jobs // 5
    ends = np.sort(there)
    return Simulated(
        per_s=(jobs - warm - 1) / (ends[-1] - ends[warm]),
        response_s=float(np.mean((there - came)[warm:])),
    )


def mean_wait_s(station: Station, jobs_per_s: float) -> float:
    """Mean wait for a server, seconds (Erlang's C formula, 1917); inf if overloaded."""
    offered = jobs_per_s * station.service_s
    c = station.servers
    if offered >= c:
        return math.inf
    # The inverse of Erlang's B, built up server by server: stable for thousands of them.
    inverse_b = 1.0
    for servers in range(1, c + 1):
        inverse_b = 1.0 + inverse_b * servers / offered
    waits = 1.0 / (inverse_b - (inverse_b - 1.0) * offered / c)
    return waits * station.service_s / (c - offered)
