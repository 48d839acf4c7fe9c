"""From a job's body to a draft that can be written: validated against the catalog alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from netra.engine.submit import body_hash
from netra.errors import Conflict, InvalidGoal, InvalidInput, NetraError, NotFound, Problem
from netra.pipelines.build import PlannedStage
from netra.pipelines.understand import Understood, understand
from netra.schemas.goal import Goal
from netra.schemas.job import DEADLINE_WITHIN, JobRequest
from netra.store.workload import Readable

#: What was understood of bodies, by what decides it: many who submit send the same again and again.
_understood: dict[bytes, Understood] = {}
#: So many are kept, and only such as are decided by so few bytes.
_KEPT = 256
_KEPT_BYTES = 16_384


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a body asks for, understood; the workload is still to be looked up."""

    request: JobRequest
    goal: Goal
    stages: Sequence[PlannedStage]
    #: The pipeline that runs; None for an explicit DAG.
    pipeline: str | None
    #: Agents of the job that read events.
    readers: tuple[str, ...]

    @property
    def body_hash(self) -> str:
        """The key names the submission, so it is no part of what is submitted."""
        return body_hash(msgspec.structs.replace(self.request, idempotency_key=None))


def plan(request: JobRequest, now: datetime) -> Plan:
    """Reads the goal and plans the stages.

    Raises:
        InvalidInput, InvalidGoal: with a Problem for each thing that is wrong.
    """
    _check_deadline(request, now)
    understood = _understand(request)
    return Plan(
        request=request,
        goal=understood.goal,
        stages=understood.stages,
        pipeline=understood.pipeline,
        readers=understood.readers,
    )


def _understand(request: JobRequest) -> Understood:
    key = msgspec.json.encode(
        (
            request.goal,
            request.objectives,
            request.constraints,
            request.pipeline,
            request.stages,
            request.params,
            request.workload_id is None,
        )
    )
    if (understood := _understood.get(key)) is None:
        understood = understand(request)
        if len(key) <= _KEPT_BYTES:
            if len(_understood) >= _KEPT:
                _understood.clear()
            _understood[key] = understood
    return understood


def _check_deadline(request: JobRequest, now: datetime) -> None:
    if request.deadline is None:
        return
    latest = now + DEADLINE_WITHIN
    if now < request.deadline <= latest:
        return
    passed = request.deadline <= now
    earliest, last = (moment.isoformat(timespec="seconds") for moment in (now, latest))
    problem = Problem(
        where="deadline",
        problem="it has passed" if passed else "it lies too far ahead",
        got=request.deadline.isoformat(),
        expected=f"a time after {earliest}, and {last} at the latest",
    )
    detail = "the deadline cannot be met" if passed else "the deadline lies too far ahead"
    raise InvalidInput(detail, [problem])


def check_workload(planned: Plan, workload: Readable | None, where: str = "workload_id") -> None:
    """Whether the workload can be read now.

    Raises:
        NotFound: the tenant has no such workload.
        Conflict: it is being ingested into, or has no events.
    """
    ref = planned.request.workload_id
    if ref is None:
        return
    if workload is None:
        problem = Problem(where=where, problem="unknown workload", got=ref)
        raise NotFound(f"there is no workload {ref}", [problem])
    workload.check_settled(ref, where)
    if planned.readers and workload.events == 0:
        problem = Problem(where=where, problem="it has no events; upload some first", got=ref)
        raise Conflict(f"workload {ref} is empty", [problem])


def within(error: NetraError, where: str) -> list[Problem]:
    """The error's problems as problems of a part of a larger body."""
    if not error.errors:
        return [Problem(where=where, problem=error.detail)]
    return [replace(p, where=f"{where}.{p.where}") for p in error.errors]


def same_kind(errors: Sequence[NetraError]) -> type[NetraError]:
    """The class that stands for several errors: their own if they share it."""
    kinds = {type(e) for e in errors}
    if len(kinds) == 1:
        return kinds.pop()
    return InvalidGoal if kinds <= {InvalidGoal} else InvalidInput
