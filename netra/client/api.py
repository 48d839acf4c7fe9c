"""The two clients."""

from __future__ import annotations

from typing import Self

import httpx

from netra.client.access import Access, AsyncAccess
from netra.client.batch import AsyncBatches, Batches
from netra.client.catalog import (
    Agents,
    AsyncAgents,
    AsyncPipelines,
    AsyncSupplyRows,
    Pipelines,
    SupplyRows,
)
from netra.client.dead_letter import AsyncDeadLetters, DeadLetters
from netra.client.job import AsyncJobs, Jobs
from netra.client.retry import Retry
from netra.client.transport import AsyncTransport, Transport
from netra.client.workload import AsyncWorkloads, Workloads

#: An answer that takes longer counts as none, seconds; uploads are waited for without limit.
TIMEOUT_S = 30.0


class Netra:
    """Netra's API, blocking.

        with Netra("http://127.0.0.1:8000", api_key) as netra:
            job = netra.jobs.submit(JobRequest(workload_id="traffic", goal="Cut cost by 20 %"))
            for event in netra.jobs.follow(job.id): ...
            print(netra.jobs.report(job.id).answer)

    Every call raises `netra.errors.NetraError` or one of its kinds.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retry: Retry | None = None,
        timeout_s: float = TIMEOUT_S,
        over: httpx.BaseTransport | None = None,
    ) -> None:
        transport = Transport(url, api_key, retry=retry or Retry(), timeout_s=timeout_s, over=over)
        self._transport = transport
        self.url = transport.url
        self.api_key = api_key
        self.access = Access(transport)
        self.workloads = Workloads(transport)
        self.jobs = Jobs(transport)
        self.batches = Batches(transport)
        self.agents = Agents(transport)
        self.pipelines = Pipelines(transport)
        self.supply = SupplyRows(transport)
        self.dead_letters = DeadLetters(transport)

    @property
    def retry(self) -> Retry:
        """How patient it is. May be changed: for calls and followers that begin later."""
        return self._transport.retry

    @retry.setter
    def retry(self, retry: Retry) -> None:
        self._transport.retry = retry

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncNetra:
    """As `Netra`, awaiting: `await netra.jobs.get(…)`, `async for job in netra.jobs.list()`."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retry: Retry | None = None,
        timeout_s: float = TIMEOUT_S,
        over: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        transport = AsyncTransport(
            url, api_key, retry=retry or Retry(), timeout_s=timeout_s, over=over
        )
        self._transport = transport
        self.url = transport.url
        self.access = AsyncAccess(transport)
        self.workloads = AsyncWorkloads(transport)
        self.jobs = AsyncJobs(transport)
        self.batches = AsyncBatches(transport)
        self.agents = AsyncAgents(transport)
        self.pipelines = AsyncPipelines(transport)
        self.supply = AsyncSupplyRows(transport)
        self.dead_letters = AsyncDeadLetters(transport)

    @property
    def retry(self) -> Retry:
        """As `Netra.retry`."""
        return self._transport.retry

    @retry.setter
    def retry(self, retry: Retry) -> None:
        self._transport.retry = retry

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
