"""Jobs: what a client submits, and what it is told. Field names are fixed by other programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from netra.schemas.goal import Constraint, Objective

#: `queued → running → succeeded | failed | cancelled`.
JOB_STATES = ("queued", "running", "succeeded", "failed", "cancelled")

#: States that end an epoch.
TERMINAL = ("succeeded", "failed", "cancelled")

#: States from which a job can be run again.
RETRIED = ("failed", "cancelled")

#: It ends with a lookahead: `$` would let a line feed pass at the end, in Python though not in the
#: JSON schema's dialect, which has no `\Z`.
LabelName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}(?![\s\S])")]
LabelValue = Annotated[str, Meta(max_length=200)]
#: A deadline further ahead is a mistake; much further, PostgreSQL knows years that Python does not.
DEADLINE_WITHIN = timedelta(days=3653)
_DEADLINE = Meta(
    tz=True,
    description=(
        "A job that is not finished by then is stopped. RFC 3339, in the future, at most"
        f" {DEADLINE_WITHIN.days:,} days (ten years) ahead. A retry drops one that has passed."
    ),
)
KEY_LENGTH = 200
#: What names a submission, so that repeating it does nothing.
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=KEY_LENGTH)]


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/jobs`."""

    #: The id or the name of a workload; None only if no agent of the job reads events.
    workload_id: str | None = None
    #: In words: "Cut cost by 20 % at equal quality; p95 latency no worse".
    goal: Annotated[str, Meta(max_length=4000)] | None = None
    objectives: Annotated[tuple[Objective, ...], Meta(max_length=100)] = ()
    constraints: Annotated[tuple[Constraint, ...], Meta(max_length=100)] = ()
    #: A named pipeline. With neither this nor `stages`, the planner picks agents for the goal, and
    #: the job's pipeline is then called `planned:QUESTION`; without a goal it is `optimize`.
    pipeline: str | None = None
    #: An explicit DAG: `[{"name", "agent", "after", "params"}]`.
    stages: tuple[dict[str, Any], ...] | None = None
    #: Parameters by agent name.
    params: dict[str, dict[str, Any]] = {}
    #: 0 to 9; 9 goes first within the tenant. A level is worth five minutes of waiting.
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    labels: Annotated[dict[LabelName, LabelValue], Meta(max_length=50)] = {}
    #: A job that is not finished by then is stopped. RFC 3339, in the future, and not more than
    #: `DEADLINE_WITHIN` ahead.
    deadline: Annotated[datetime, _DEADLINE] | None = None
    #: As the header `Idempotency-Key`; for the jobs of a batch, which have no headers.
    idempotency_key: IdempotencyKey | None = None


class PriorityRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/jobs/{id}/priority`."""

    #: 0 to 9, as at submission.
    priority: Annotated[int, Meta(ge=0, le=9)]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    agent: str
    pool: str
    #: `blocked → ready → admitted → running → succeeded | failed | cancelled | skipped`.
    state: str
    attempt: int
    #: The worker that runs it, or ran it last.
    worker: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: `{"type", "message", "traceback"}` of the last failure.
    error: dict[str, Any] | None = None
    after: tuple[str, ...] = ()
    params: dict[str, Any] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    workload_id: str | None
    state: str
    #: The retry number; each epoch has one terminal fact.
    epoch: int
    #: The last fact's number within the epoch.
    seq: int
    #: The answer to a submission leaves it out.
    created_at: datetime | UnsetType = UNSET
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: In the order of the DAG. Lists leave it out.
    stages: tuple[Stage, ...] | UnsetType = UNSET
    labels: dict[str, str] = {}
    batch_id: str | None = None
    pipeline: str | None = None
    #: The goal as it was read. Lists leave it out.
    goal: dict[str, Any] | UnsetType = UNSET
    priority: int = 5
    deadline: datetime | None = None
    #: Only in the answer to a retry: the deadline that had passed, and holds no more.
    dropped_deadline: datetime | UnsetType = UNSET
    #: `cancelled` or `deadline`, once somebody asked the job to stop.
    stop_reason: str | None = None
    #: What keeps stages that are ready from beginning, if that is more than their turn: the limit
    #: of the tenant. Left out otherwise, and by lists.
    waits_for: str | UnsetType = UNSET
    #: Stages that ended, and all of them.
    stages_ended: int = 0
    stages_total: int = 0
    url: str = ""
    ws_url: str = ""
    events_url: str = ""


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a submission."""

    job: Job
