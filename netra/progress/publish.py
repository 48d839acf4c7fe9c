"""Sends facts and ticks to whoever listens, after the transaction that made them true.

Redis is allowed to be away: a fact that could not be sent stays unpublished in PostgreSQL, and
the scheduler sends it later; a tick is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import RedisError

from netra.progress.channels import batch_channel, job_channel, job_stream
from netra.settings import Progress
from netra.store.queue import FactMessage

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


def public(fact: FactMessage) -> bytes:
    """The fact as clients are sent it: without its tenant and batch."""
    return _encode({k: v for k, v in fact.items() if k not in ("tenant_id", "batch_id")})


def _fill(pipeline: Any, facts: Sequence[FactMessage], settings: Progress) -> None:
    for fact in facts:
        tenant, job, batch = fact["tenant_id"], fact["job_id"], fact["batch_id"]
        message = public(fact)
        stream = job_stream(tenant, job)
        pipeline.xadd(stream, {"fact": message}, maxlen=settings.stream_length, approximate=True)
        pipeline.expire(stream, settings.stream_life_s)
        pipeline.publish(job_channel(tenant, job), message)
        if batch:
            pipeline.publish(batch_channel(tenant, batch), message)


def publish(redis: Redis, facts: Sequence[FactMessage], settings: Progress) -> bool:
    """Sends facts; False if Redis is away."""
    if not facts:
        return True
    try:
        with redis.pipeline(transaction=False) as pipeline:
            _fill(pipeline, facts, settings)
            pipeline.execute()
    except (RedisError, OSError) as e:
        log.warning("facts wait for Redis: %s", e)
        return False
    return True


async def publish_async(
    redis: AsyncRedis, facts: Sequence[FactMessage], settings: Progress
) -> bool:
    """As `publish`, on the event loop."""
    if not facts:
        return True
    try:
        async with redis.pipeline(transaction=False) as pipeline:
            _fill(pipeline, facts, settings)
            await pipeline.execute()
    except (RedisError, OSError) as e:
        log.warning("facts wait for Redis: %s", e)
        return False
    return True


def tick(
    redis: Redis, tenant: str, job: str, batch: str | None, stage: str, fraction: float, text: str
) -> None:
    """Sends a passing percentage; lost if Redis is away or nobody listens."""
    message = _encode(
        {"type": "tick", "job_id": job, "stage": stage, "fraction": fraction, "message": text}
    )
    try:
        redis.publish(job_channel(tenant, job), message)
        if batch:
            redis.publish(batch_channel(tenant, batch), message)
    except (RedisError, OSError) as e:
        log.debug("tick lost: %s", e)
