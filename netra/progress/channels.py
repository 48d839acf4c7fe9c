"""Names in Redis. The tenant is part of each, so that no key or channel serves two."""

from __future__ import annotations


def job_channel(tenant_id: str, job_id: str) -> str:
    return f"netra:{tenant_id}:job:{job_id}"


def batch_channel(tenant_id: str, batch_id: str) -> str:
    return f"netra:{tenant_id}:batch:{batch_id}"


def job_stream(tenant_id: str, job_id: str) -> str:
    return f"netra:{tenant_id}:facts:{job_id}"


def field(nth: int) -> str:
    """The name of a fact in an entry of a job's stream, which has those of one transaction.

    The first has the name that the release before looks for; it reads PostgreSQL for the others.
    """
    return f"fact{nth}" if nth else "fact"
