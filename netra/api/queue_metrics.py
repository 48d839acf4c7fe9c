"""Metrics of the queue, made from PostgreSQL when somebody scrapes, at most every few seconds."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from psycopg_pool import AsyncConnectionPool

from netra import metrics
from netra.metrics import AGENT_BUCKETS, Family
from netra.store import measure
from netra.store.measure import Ended, Present
from netra.store.postgres import AsyncConnection, checkout

#: PostgreSQL is asked at most this often, seconds.
CACHE_S = 5.0
#: Facts are counted this long after they became true, so that their transactions are over.
_SETTLED = timedelta(seconds=2)
#: After a longer pause between scrapes, what lies further back is not counted.
_FURTHEST = timedelta(minutes=10)


class QueueMetrics(Collector):
    """The last reading, and what was counted since the process started."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], worker_stale_s: float) -> None:
        self.pool = pool
        self.worker_stale_s = worker_stale_s
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._counted_to: datetime | None = None
        self._present: Present | None = None
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._lost: Counter[str] = Counter()
        self._seconds: dict[str, tuple[list[int], float]] = {}

    async def refresh(self) -> None:
        """
        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if now - self._read_at < CACHE_S:
                return
            async with checkout(self.pool) as connection:
                self._present = await measure.present(connection, self.worker_stale_s)
                upto = await measure.now(connection) - _SETTLED
                since = max(self._counted_to or upto, upto - _FURTHEST)
                self._add(await measure.ended(connection, since, upto, AGENT_BUCKETS))
            self._counted_to = upto
            self._read_at = now

    def _add(self, ended: Ended) -> None:
        self._outcomes.update(ended.outcomes)
        self._lost.update(ended.leases_lost)
        for agent, (counts, total) in ended.seconds.items():
            before, sum_before = self._seconds.get(agent, ([0] * len(counts), 0.0))
            added = [a + b for a, b in zip(before, counts, strict=True)]
            self._seconds[agent] = (added, sum_before + total)

    def collect(self) -> Iterable[Metric]:
        yield self._histogram()
        yield _counter(metrics.STAGE_OUTCOMES, self._outcomes)
        yield _counter(metrics.LEASE_EXPIRIES, {(k,): n for k, n in self._lost.items()})
        if (now := self._present) is None:
            return
        yield _gauge(metrics.QUEUE_DEPTH, now.depth)
        yield _gauge(metrics.QUEUE_AGE, now.age_s)
        yield _gauge(metrics.POOL_SLOTS, {(k,): n for k, n in now.slots.items()})
        yield _gauge(metrics.DEAD_LETTERS, {(k,): n for k, n in now.dead_letters.items()})
        yield _gauge(metrics.OUTBOX_LAG, {(): now.outbox_lag_s})
        yield _gauge(metrics.INSERT_LAG, {(): now.insert_lag_s})

    def _histogram(self) -> Metric:
        family = metrics.AGENT_SECONDS
        made = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for agent, (counts, total) in self._seconds.items():
            bounds = [*map(str, AGENT_BUCKETS), "+Inf"]
            upto = itertools.accumulate(counts)
            buckets = [(bound, float(n)) for bound, n in zip(bounds, upto, strict=True)]
            made.add_metric([agent], buckets=buckets, sum_value=total)
        return made


def _gauge(family: Family, values: Mapping[tuple[str, ...], float]) -> Metric:
    made = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in values.items():
        made.add_metric(labels, value)
    return made


def _counter(family: Family, values: Mapping[tuple[str, ...], float]) -> Metric:
    made = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in values.items():
        made.add_metric(labels, value)
    return made
