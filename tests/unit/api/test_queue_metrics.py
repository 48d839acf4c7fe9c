"""The queue's series: what each stands for, and how many there can be."""

from __future__ import annotations

from typing import Any, cast

from netra import metrics
from netra.api.queue_metrics import QueueMetrics, named_tenants
from netra.store.measure import Present

NOW = Present(
    depth={("cpu", f"t{i}", "ready"): i for i in range(1, 101)} | {("gpu", "t1", "running"): 500},
    age_s={("cpu", f"t{i}"): float(i) for i in range(1, 101)},
    slots={"cpu": 4},
    dead_letters={"t1": 3, "t2": 1, "t3": 1},
    outbox_lag_s=0.0,
    insert_lag_s=0.0,
    slots_active=1,
    slots_inactive=2,
)


def collected(tenants: int) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and label values."""
    made = QueueMetrics(cast(Any, None), 8.0, tenants)
    made._present = NOW
    return {
        family.name: {tuple(s.labels.values()): s.value for s in family.samples}
        for family in made.collect()
    }


def test_the_longest_queues_have_names() -> None:
    assert named_tenants(NOW, 2) == {"t1", "t100"}
    assert len(named_tenants(NOW, 1000)) == 100


def test_all_others_share_a_series_and_nothing_is_left_out() -> None:
    found = collected(3)
    depth = found[metrics.QUEUE_DEPTH.name]
    assert {tenant for _, tenant, _ in depth} == {"t1", "t99", "t100", metrics.OTHER_TENANTS}
    assert depth["gpu", metrics.OTHER_TENANTS, "ready"] == 0
    assert sum(depth.values()) == sum(NOW.depth.values())
    age = found[metrics.QUEUE_AGE.name]
    assert age["cpu", metrics.OTHER_TENANTS] == 98.0
    assert found[metrics.DEAD_LETTERS.name] == {("t1",): 3, (metrics.OTHER_TENANTS,): 2}


def test_few_tenants_keep_their_names() -> None:
    depth = collected(1000)[metrics.QUEUE_DEPTH.name]
    for (pool, tenant, state), n in NOW.depth.items():
        assert depth[pool, tenant, state] == n
    assert sum(n for (_, tenant, _), n in depth.items() if tenant == metrics.OTHER_TENANTS) == 0


def test_slots_that_nobody_reads_are_counted_by_themselves() -> None:
    found = collected(3)[metrics.REPLICATION_SLOTS.name]
    assert found == {("active",): 1, ("inactive",): 2}
