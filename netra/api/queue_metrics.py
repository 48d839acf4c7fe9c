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
from netra.metrics import AGENT_BUCKETS, POOLS, Family
from netra.store import measure
from netra.store.measure import Ended, Present
from netra.store.postgres import AsyncConnection, checkout

#: PostgreSQL is asked at most this often, seconds.
CACHE_S = 5.0
#: Facts are counted this long after they became true, so that their transactions are over.
_SETTLED = timedelta(seconds=2)
#: After a longer pause between scrapes, what lies further back is not counted.
_FURTHEST = timedelta(minutes=10)
#: States of stages that are somebody's turn, or will be.
_STATES = ("ready", "admitted", "running")


class QueueMetrics(Collector):
    """The last reading, and what was counted since the process started."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], worker_stale_s: float, tenants: int
    ) -> None:
        """
        Args:
            tenants: so many have series of their own.
        """
        self.pool = pool
        self.worker_stale_s = worker_stale_s
        self.tenants = tenants
        self._savings: Mapping[tuple[str, str], tuple[float, int]] | None = None
        self._savings_due = float("-inf")
        #: Reports that were counted when savings were last looked for.
        self._reports = 0
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._counted_to: datetime | None = None
        self._present: Present | None = None
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._lost: Counter[str] = Counter(dict.fromkeys(POOLS, 0))
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
                await self._look_for_savings(connection)
            self._counted_to = upto
            self._read_at = now

    async def _look_for_savings(self, connection: AsyncConnection) -> None:
        """Looks again after a report was made, and for a twentieth of the time at most."""
        clock = asyncio.get_running_loop().time
        reports = self._outcomes[("report", "succeeded")]
        if (self._savings is not None and reports == self._reports) or clock() < self._savings_due:
            return
        began = clock()
        self._savings = await measure.savings(connection)
        self._reports = reports
        self._savings_due = clock() + 20 * (clock() - began)

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
        savings = self._savings or {}
        yield _gauge(metrics.SAVINGS, {k: total for k, (total, _) in savings.items()})
        yield _gauge(metrics.SAVINGS_WORKLOADS, {k: n for k, (_, n) in savings.items()})
        if (now := self._present) is None:
            return
        named = named_tenants(now, self.tenants)
        rest = metrics.OTHER_TENANTS

        def tenant(name: str) -> str:
            return name if name in named else rest

        # Where nothing waits there is a zero, not a gap: an alert ends, and a graph goes on.
        depth = Counter({(pool, rest, state): 0 for pool in POOLS for state in _STATES})
        for (pool, name, state), n in now.depth.items():
            depth[pool, tenant(name), state] += n
        age = {(pool, rest): 0.0 for pool in POOLS}
        for (pool, name), oldest in now.age_s.items():
            place = (pool, tenant(name))
            age[place] = max(age.get(place, 0.0), oldest)
        dead = Counter({(rest,): 0})
        for name, n in now.dead_letters.items():
            dead[(tenant(name),)] += n
        yield _gauge(metrics.QUEUE_DEPTH, depth)
        yield _gauge(metrics.QUEUE_AGE, age)
        yield _gauge(metrics.POOL_SLOTS, {(p,): now.slots.get(p, 0) for p in POOLS})
        yield _gauge(metrics.DEAD_LETTERS, dead)
        yield _gauge(metrics.OUTBOX_LAG, {(): now.outbox_lag_s})
        yield _gauge(metrics.INSERT_LAG, {(): now.insert_lag_s})
        slots = {("active",): now.slots_active, ("inactive",): now.slots_inactive}
        yield _gauge(metrics.REPLICATION_SLOTS, slots)

    def _histogram(self) -> Metric:
        family = metrics.AGENT_SECONDS
        made = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for agent, (counts, total) in self._seconds.items():
            bounds = [*map(str, AGENT_BUCKETS), "+Inf"]
            upto = itertools.accumulate(counts)
            buckets = [(bound, float(n)) for bound, n in zip(bounds, upto, strict=True)]
            made.add_metric([agent], buckets=buckets, sum_value=total)
        return made


def named_tenants(now: Present, most: int) -> frozenset[str]:
    """The tenants with series of their own: those with the most stages, then dead letters."""
    stages: Counter[str] = Counter()
    for (_, name, _), n in now.depth.items():
        stages[name] += n
    held = {*stages, *now.dead_letters}
    ranked = sorted(held, key=lambda t: (-stages[t], -now.dead_letters.get(t, 0), t))
    return frozenset(ranked[:most])


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
