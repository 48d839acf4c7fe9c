"""Who is admitted first: tenants share by weight, priority decides within a tenant."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.bench import Bench


@pytest.fixture(autouse=True)
def _tenants(bench: Bench) -> None:
    bench.queue.connection.execute(
        "INSERT INTO tenants (id) VALUES ('big'), ('small') ON CONFLICT DO NOTHING"
    )


def admitted(bench: Bench) -> Counter[str]:
    rows = bench.queue.connection.execute(
        "SELECT tenant_id FROM stages WHERE state = 'admitted'"
    ).fetchall()
    return Counter(row["tenant_id"] for row in rows)


def test_a_giant_batch_does_not_delay_another_tenant(bench: Bench) -> None:
    for _ in range(50):
        bench.submit({"name": "a"}, tenant="big")
    bench.submit({"name": "a"}, tenant="small")
    bench.slots(2)
    bench.admit()
    assert admitted(bench) == {"big": 1, "small": 1}


def test_what_a_tenant_holds_counts(bench: Bench) -> None:
    for _ in range(10):
        bench.submit({"name": "a"}, tenant="big")
    bench.slots(4)
    bench.admit()
    for _ in range(10):
        bench.submit({"name": "a"}, tenant="small")
    bench.slots(4, pool="gpu")
    bench.queue.connection.execute("UPDATE workers SET concurrency = 8 WHERE pool = 'cpu'")
    bench.admit()
    assert admitted(bench) == {"big": 4, "small": 4}


def test_weights_share_the_slots(bench: Bench) -> None:
    bench.queue.connection.execute("UPDATE tenants SET weight = 3 WHERE id = 'big'")
    for tenant in ("big", "small"):
        for _ in range(20):
            bench.submit({"name": "a"}, tenant=tenant)
    bench.slots(8)
    bench.admit()
    assert admitted(bench) == {"big": 6, "small": 2}


def test_a_limit_holds_and_others_take_the_rest(bench: Bench) -> None:
    bench.queue.connection.execute("UPDATE tenants SET max_running = 1 WHERE id = 'big'")
    for tenant in ("big", "small"):
        for _ in range(20):
            bench.submit({"name": "a"}, tenant=tenant)
    bench.slots(8)
    bench.admit()
    bench.admit()
    assert admitted(bench) == {"big": 1, "small": 7}


def test_priority_goes_first_within_a_tenant(bench: Bench) -> None:
    bench.submit({"name": "later"}, priority=1)
    urgent = bench.submit({"name": "now"}, priority=9)
    bench.slots(1)
    (message,) = bench.admit()
    claim = bench.claim(message)
    assert claim is not None
    assert claim.job_id == urgent


def test_workers_that_went_silent_bring_no_slots(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(4)
    bench.queue.connection.execute("UPDATE workers SET heartbeat_at = now() - interval '1 min'")
    answer = bench.queue.admit("cpu", ahead=1, stale_s=8, readmit_s=5)
    assert answer["messages"] == []
