"""What can be bought and set: a configuration of one replica, and a fleet of so many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netra.analysis.serving.settings import EngineSettings, Fleet, Routing
from netra.analysis.serving.step_time import StepTable


@dataclass(frozen=True, kw_only=True, eq=False)
class Configuration:
    """One replica, its settings, and the router before it."""

    gpu: str
    #: GPUs that share each layer, and engine ranks in lockstep.
    tensor: int = 1
    data: int = 1
    engine: EngineSettings
    routing: Routing = "round-robin"
    #: Step times up to the engine's limits at least.
    table: StepTable
    #: Of one replica.
    usd_per_hour: float

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.data

    def fleet(self, replicas: int) -> Fleet:
        return Fleet(engine=self.engine, replicas=replicas, routing=self.routing)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """So many replicas of a configuration."""

    configuration: Configuration
    replicas: int
    #: Its place among all candidates: of equals, the first is taken.
    index: int = 0

    @property
    def usd_per_hour(self) -> float:
        return self.configuration.usd_per_hour * self.replicas

    @property
    def gpus(self) -> int:
        return self.configuration.gpus * self.replicas


def candidates_of(
    configurations: Sequence[Configuration], *, max_gpus: int, max_replicas: int
) -> list[Candidate]:
    """Every number of replicas of every configuration within the limits, in order of cost.

    Of the same cost, fewer GPUs come first, then the configuration named first.
    """
    found = [
        Candidate(configuration=configuration, replicas=replicas)
        for configuration in configurations
        for replicas in range(1, min(max_replicas, max_gpus // configuration.gpus) + 1)
    ]
    found.sort(key=lambda c: (_cents(c.usd_per_hour), c.gpus))
    return [
        Candidate(configuration=c.configuration, replicas=c.replicas, index=i)
        for i, c in enumerate(found)
    ]


def _cents(usd: float) -> float:
    """Rounded, so that 3 x 0.1 costs what 0.3 costs."""
    return round(usd, 6)


def cost_key(candidate: Candidate) -> float:
    """The cost by which candidates are compared, USD an hour."""
    return _cents(candidate.usd_per_hour)
