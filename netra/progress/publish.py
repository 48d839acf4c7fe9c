"""What Redis is told of facts and ticks, after the transaction that made them true.

Redis is allowed to be away: a fact that could not be sent stays in PostgreSQL's outbox, and the
scheduler sends it later; a tick is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from netra import tracing
from netra.progress.channels import batch_channel, field, job_channel, job_stream
from netra.settings import Progress
from netra.store.queue import FactMessage

_encode = msgspec.json.Encoder().encode


#: What Netra itself needs of a fact, and clients are not sent.
_INTERNAL = frozenset(("tenant_id", "batch_id", "traceparent", "outbox"))


def public(fact: FactMessage) -> bytes:
    """The fact as clients are sent it."""
    return _encode({k: v for k, v in fact.items() if k not in _INTERNAL})


def commands(facts: Sequence[FactMessage], settings: Progress) -> list[tuple[Any, ...]]:
    """What Redis is told of facts: the end of each job's stream, and who listens.

    What one transaction told of a job is one entry, and one message a line each; so is what it
    told of a batch. A message is worth more of Redis's time than the fact in it.
    """
    told: list[tuple[Any, ...]] = []
    jobs: dict[tuple[str, str], list[bytes]] = {}
    batches: dict[tuple[str, str], list[bytes]] = {}
    #: Facts of the job itself are its first ones and its last one.
    lives: set[tuple[str, str]] = set()
    for fact in facts:
        tenant, batch = fact["tenant_id"], fact["batch_id"]
        job = (tenant, fact["job_id"])
        message = public(fact)
        jobs.setdefault(job, []).append(message)
        if fact["stage"] is None:
            lives.add(job)
        if batch:
            batches.setdefault((tenant, batch), []).append(message)
    for job, messages in jobs.items():
        stream = job_stream(*job)
        entry = [word for i, message in enumerate(messages) for word in (field(i), message)]
        told.append(("XADD", stream, "MAXLEN", "~", settings.stream_length, "*", *entry))
        if job in lives:
            told.append(("EXPIRE", stream, settings.stream_life_s))
        told.append(("PUBLISH", job_channel(*job), b"\n".join(messages)))
    for batch, messages in batches.items():
        told.append(("PUBLISH", batch_channel(*batch), b"\n".join(messages)))
    return told


def traced(facts: Sequence[FactMessage], began_ns: int) -> None:
    """A span in the trace of each fact: when it left the outbox, and who sent it."""
    if not tracing.on():
        return
    for fact in facts:
        about = {"netra.job_id": fact["job_id"], "netra.fact": fact["kind"]}
        if fact["stage"]:
            about["netra.stage"] = fact["stage"]
        tracing.record("outbox publish", fact.get("traceparent"), began_ns, "producer", about)


def tick(
    tenant: str, job: str, batch: str | None, stage: str, fraction: float, text: str
) -> list[tuple[Any, ...]]:
    """What Redis is told of a passing percentage, which is lost if nobody listens."""
    message = _encode(
        {"type": "tick", "job_id": job, "stage": stage, "fraction": fraction, "message": text}
    )
    told: list[tuple[Any, ...]] = [("PUBLISH", job_channel(tenant, job), message)]
    if batch:
        told.append(("PUBLISH", batch_channel(tenant, batch), message))
    return told
