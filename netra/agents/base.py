"""What an agent is: `run(inputs, params, context) -> StageResult`. It does no I/O of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from netra.analysis.serving.step_source import StepTimes
    from netra.catalog.supply import SupplyCatalog
    from netra.schemas.goal import Goal


@dataclass(frozen=True, kw_only=True)
class WorkloadInfo:
    """What is known of a workload before its events are read."""

    id: str
    name: str
    #: False when the trace has relative times: then no calendar is claimed.
    anchored: bool
    events: int
    #: The visible ingests: which rows the figures rest on.
    ingests: tuple[str, ...] = ()


class StepProfiles(Protocol):
    """Step times that were tabulated outside; `netra.gpu_profiles` reads real ones."""

    def step_times(
        self, model: str, gpu: str, *, tensor: int = 1, data: int = 1, weights: str = "as-named"
    ) -> StepTimes:
        """Of one rank of a model on GPUs of one kind.

        Raises:
            NotFound: the model or the GPU has no profile; the error names those that have.
            InsufficientData: the profiles are not installed, or have none of this deployment.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that an agent may look at."""

    job_id: str
    workload: WorkloadInfo
    goal: Goal
    #: Streams the event columns that the agent's catalog entry declares, ordered by
    #: (ts, event_id), as Arrow record batches. May be called more than once.
    events: Callable[[], Iterator[pa.RecordBatch]]
    #: Streams the workload's demand points (`models.demand`), ordered by (ts, row), to agents
    #: whose catalog entry asks for them; a workload of requests has none.
    demand: Callable[[], Iterator[pa.RecordBatch]] = lambda: iter(())
    #: Results of the stages before this one, by agent name.
    upstream: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Results of the stages directly before this one, in order: the parts of a merge.
    parts: Sequence[Mapping[str, Any]] = ()
    #: Prices and limits: the tenant's own rows over the published list.
    supply: SupplyCatalog | None = None
    #: Step times from measured kernels; None where nobody can read them.
    profiles: StepProfiles | None = None
    #: The job's parameters, by agent name, as validated.
    job_params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: The trace that the job belongs to; under it logs and spans tell how the result came about.
    trace_id: str | None = None


class Context(Protocol):
    """The way back to whoever runs the agent."""

    #: What the last `checkpoint` of an earlier attempt saved, or None.
    restored: Any
    #: The seed for everything random in this stage: the same for the same agent and parameters,
    #: whatever the job, the attempt and the installation (`agents.seeding`).
    seed: int
    #: Where large arrays live: `numpy`, `cupy` or `torch`.
    array_namespace: Any

    def progress(self, fraction: float, message: str = "") -> None:
        """Says how far the stage is, 0 to 1. Cheap: may be called often."""
        ...

    def cancelled(self) -> bool:
        """Whether the stage was asked to stop. Call it at least once a second of work."""
        ...

    def checkpoint(self, state: Any) -> None:
        """Saves `state` (JSON, at most 256 kB) for the next attempt."""
        ...


@dataclass(frozen=True, kw_only=True)
class Child:
    """A stage to be inserted by fan-out."""

    name: str
    agent: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FanOut:
    """Stages to insert when this one completes: children, then one merge stage after them all."""

    children: Sequence[Child]
    merge: Child


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What a stage leaves behind."""

    #: JSON of at most 256 kB, kept in PostgreSQL.
    content: Mapping[str, Any]
    #: Series kept in ClickHouse, by name.
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    fan_out: FanOut | None = None


@dataclass
class QuietContext:
    """The memory twin: for tests and for `netra analyze`."""

    restored: Any = None
    seed: int = 0
    array_namespace: Any = None
    ticks: list[tuple[float, str]] = field(default_factory=list)
    stop: bool = False

    def __post_init__(self) -> None:
        if self.array_namespace is None:
            import array_api_compat.numpy as xp

            self.array_namespace = xp

    def progress(self, fraction: float, message: str = "") -> None:
        self.ticks.append((fraction, message))

    def cancelled(self) -> bool:
        return self.stop

    def checkpoint(self, state: Any) -> None:
        self.restored = state
