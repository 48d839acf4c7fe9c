"""Submitting jobs: one transaction writes job and stages, or finds the first job of the key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from netra.catalog import agents
from netra.ids import new_id
from netra.pipelines.build import PlannedStage
from netra.schemas.goal import Goal
from netra.store import queue
from netra.store.postgres import AsyncConnection


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is about to be submitted; validated, but not yet written."""

    tenant_id: str
    workload_id: UUID | None
    goal: Goal
    stages: Sequence[PlannedStage]
    pipeline: str | None
    #: The ingests whose events every stage reads.
    ingests: Sequence[str] = ()
    #: Parameters by agent name, as given.
    params: Mapping[str, Mapping[str, Any]] = {}
    priority: int = 5
    labels: Mapping[str, str] = {}
    deadline: datetime | None = None
    batch_id: UUID | None = None
    idempotency_key: str | None = None
    #: Hash of the body, to refuse the same key with another body; None without a key.
    body_hash: str | None = None
    traceparent: str | None = None


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    #: False: the key was used before, and this is the job of that time.
    created: bool
    #: False: the key was used before, with another body.
    same_body: bool


def body_hash(body: Any) -> str:
    """SHA-256 of a body's canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


async def submit(
    connection: AsyncConnection, drafts: Sequence[Draft], *, stale_s: float | None = None
) -> list[Submitted]:
    """Writes the drafts in one transaction. Answers come in the order of the drafts.

    Args:
        stale_s: as for `queue.submit`; only for a transaction that ends with this.
    """
    answer = await queue.submit(connection, [_record(draft) for draft in drafts], stale_s)
    return [
        Submitted(id=UUID(j["id"]), created=j["created"], same_body=j["same_body"])
        for j in answer["jobs"]
    ]


def _record(draft: Draft) -> dict[str, Any]:
    """The job as the database reads it, once it is JSON."""
    stages = [_stage(position, stage) for position, stage in enumerate(draft.stages)]
    return {
        "id": new_id(),
        "tenant_id": draft.tenant_id,
        "workload_id": draft.workload_id,
        "batch_id": draft.batch_id,
        "goal": draft.goal,
        "pipeline": draft.pipeline,
        "ingests": draft.ingests,
        "params": draft.params,
        "priority": draft.priority,
        "labels": draft.labels,
        "deadline": draft.deadline,
        "idempotency_key": draft.idempotency_key,
        "body_hash": draft.body_hash,
        "traceparent": draft.traceparent,
        "stage_count": len(stages),
        "stages": stages,
    }


def _stage(position: int, stage: PlannedStage) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": stage.name,
        "position": position,
        "agent": stage.agent,
        "pool": stage.pool,
        "params": stage.params,
        "after": stage.after,
        "limit_s": stage.limit_s,
        "short": stage.short,
    }


def fan_out_record(parent: str, children: Sequence[Any], merge: Any) -> dict[str, Any]:
    """The stages that a fan-out inserts, named under `parent`.

    Args:
        children, merge: objects with `name`, `agent` and `params` (`agents.base.Child`).
    """
    return {
        "children": [_inserted(parent, child) for child in children],
        "merge": _inserted(parent, merge),
    }


def _inserted(parent: str, child: Any) -> dict[str, Any]:
    spec = agents.get(child.agent)
    return {
        "id": str(new_id()),
        "name": f"{parent}.{child.name}",
        "agent": spec.name,
        "pool": spec.pool,
        "params": dict(child.params),
        "limit_s": spec.limit_s,
        "short": spec.short,
    }
