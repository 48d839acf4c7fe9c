"""Sends facts and ticks to whoever listens, after the transaction that made them true.

Redis is allowed to be away: a fact that could not be sent stays in PostgreSQL's outbox, and the
scheduler sends it later; a tick is lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import RedisError

from netra import tracing
from netra.progress.channels import batch_channel, job_channel, job_stream
from netra.settings import Progress
from netra.store.queue import FactMessage

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


#: What Netra itself needs of a fact, and clients are not sent.
_INTERNAL = frozenset(("tenant_id", "batch_id", "traceparent", "outbox"))


def public(fact: FactMessage) -> bytes:
    """The fact as clients are sent it."""
    return _encode({k: v for k, v in fact.items() if k not in _INTERNAL})


def commands(facts: Sequence[FactMessage], settings: Progress) -> list[tuple[Any, ...]]:
    """What Redis is told of facts: the end of each job's stream, and who listens."""
    told: list[tuple[Any, ...]] = []
    for fact in facts:
        tenant, job, batch = fact["tenant_id"], fact["job_id"], fact["batch_id"]
        message = public(fact)
        stream = job_stream(tenant, job)
        length = settings.stream_length
        told.append(("XADD", stream, "MAXLEN", "~", length, "*", "fact", message))
        # Facts of the job itself are its first ones and its last one.
        if fact["stage"] is None:
            told.append(("EXPIRE", stream, settings.stream_life_s))
        told.append(("PUBLISH", job_channel(tenant, job), message))
        if batch:
            told.append(("PUBLISH", batch_channel(tenant, batch), message))
    return told


async def publish_async(
    redis: AsyncRedis, facts: Sequence[FactMessage], settings: Progress
) -> bool:
    """Sends facts, on the event loop; False if Redis is away."""
    if not facts:
        return True
    began_ns = time.time_ns()
    try:
        async with redis.pipeline(transaction=False) as pipeline:
            for command in commands(facts, settings):
                pipeline.execute_command(*command)
            await pipeline.execute()
    except (RedisError, OSError) as e:
        log.warning("facts wait for Redis: %s", e)
        return False
    traced(facts, began_ns)
    return True


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
    redis: Redis, tenant: str, job: str, batch: str | None, stage: str, fraction: float, text: str
) -> bool:
    """Sends a passing percentage, lost if nobody listens; False if Redis is away."""
    message = _encode(
        {"type": "tick", "job_id": job, "stage": stage, "fraction": fraction, "message": text}
    )
    try:
        redis.publish(job_channel(tenant, job), message)
        if batch:
            redis.publish(batch_channel(tenant, batch), message)
    except (RedisError, OSError) as e:
        log.debug("tick lost: %s", e)
        return False
    return True
