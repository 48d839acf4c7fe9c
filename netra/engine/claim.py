"""A claim: a stage that a worker holds, until its lease runs out or it lets go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a worker needs to run a stage, and the token that guards its writes."""

    stage_id: UUID
    job_id: UUID
    tenant_id: str
    workload_id: UUID | None
    batch_id: UUID | None
    name: str
    agent: str
    pool: str
    params: dict[str, Any]
    #: Names of the stages directly before this one.
    after: tuple[str, ...]
    #: The ingests whose events the job reads.
    ingests: tuple[str, ...]
    attempt: int
    #: The fencing token.
    fence: int
    epoch: int
    limit_s: float
    checkpoint: Any
    goal: dict[str, Any]
    #: The job's parameters by agent name.
    job_params: dict[str, Any]
    traceparent: str | None

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Claim:
        """From the `claim` object of the queue's answers."""
        return msgspec.convert(row, cls)
