"""Who is admitted first: tenants share by weight, priority decides within a tenant."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping

import pytest

from netra.engine.claim import Claim
from netra.errors import NotFound
from netra.store import postgres
from netra.store.queue import Following, Queue
from netra.store.tenant import set_limit
from tests.integration.bench import Bench


@pytest.fixture(autouse=True)
def _tenants(bench: Bench) -> None:
    bench.queue.connection.execute(
        "INSERT INTO tenants (id) VALUES ('big'), ('small') ON CONFLICT DO NOTHING"
    )


def claim_next(bench: Bench) -> Claim:
    (claim,) = bench.claims()
    return claim


def serve(bench: Bench, n: int) -> list[str]:
    """The tenants of the next `n` stages that one slot serves."""
    tenants: list[str] = []
    for _ in range(n):
        bench.admit()
        claim = claim_next(bench)
        tenants.append(claim.tenant_id)
        bench.complete(claim)
    return tenants


def run(bench: Bench, slots: int, n: int, lasts: Mapping[str, float] | None = None) -> list[str]:
    """The tenants of the first `n` stages that as many slots begin, in a time that is made up.

    Args:
        lasts: how long a tenant's stages run; 1 unless it is given.
    """
    bench.slots(slots)
    running: list[tuple[float, int, Claim]] = []
    began: list[str] = []
    now = 0.0
    while len(began) < n:
        bench.admit(ahead=8)
        while len(running) < slots and (claims := bench.claims()):
            (claim,) = claims
            end = now + (lasts or {}).get(claim.tenant_id, 1.0)
            heapq.heappush(running, (end, len(began), claim))
            began.append(claim.tenant_id)
        now, _, claim = heapq.heappop(running)
        bench.complete(claim)
    for _, _, claim in running:
        bench.complete(claim)
    return began


def queue_up(bench: Bench, **stages: int) -> None:
    for tenant, n in stages.items():
        for _ in range(n):
            bench.submit({"name": "a"}, tenant=tenant)


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


def test_many_tenants_take_turns_at_one_slot(bench: Bench) -> None:
    """Older work of others, however much, does not keep a tenant waiting for ever."""
    for tenant in ("big", "default"):
        for _ in range(20):
            bench.submit({"name": "a"}, tenant=tenant)
    bench.submit({"name": "a"}, tenant="small")
    bench.slots(1)
    served = serve(bench, 7)
    assert "small" in served[:4]
    assert abs(served.count("big") - served.count("default")) <= 1


def test_turns_at_one_slot_are_by_weight(bench: Bench) -> None:
    bench.queue.connection.execute("UPDATE tenants SET weight = 3 WHERE id = 'big'")
    for tenant in ("big", "small"):
        for _ in range(20):
            bench.submit({"name": "a"}, tenant=tenant)
    bench.slots(1)
    served = Counter(serve(bench, 16))
    assert served["big"] + served["small"] == 16
    assert 11 <= served["big"] <= 13


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_slots_are_shared_by_weight_however_few_they_are(bench: Bench, slots: int) -> None:
    bench.queue.connection.execute("UPDATE tenants SET weight = 3 WHERE id = 'big'")
    queue_up(bench, small=40, big=60)
    served = Counter(run(bench, slots, 40))
    assert abs(served["big"] - 30) <= 2


def test_who_runs_long_stages_leaves_the_others_their_slots(bench: Bench) -> None:
    queue_up(bench, small=20, big=60)
    began = run(bench, 2, 60, {"small": 25.0})
    # A slot is the big tenant's all the time, and a stage of the small one runs beside it.
    assert 2 <= began.count("small") <= 4
    assert "small" in began[:2]


def test_what_was_cancelled_does_not_count_as_served(bench: Bench) -> None:
    jobs = [bench.submit({"name": "a"}, tenant="small") for _ in range(30)]
    bench.slots(1)
    bench.admit(ahead=20)
    queue_up(bench, big=30)
    bench.admit(ahead=20)
    for job in jobs:
        bench.stop(job)
    queue_up(bench, small=5)
    assert run(bench, 1, 12).count("small") >= 4


def test_a_lowered_limit_holds_for_what_has_not_begun(bench: Bench) -> None:
    pg = bench.queue.connection
    queue_up(bench, big=12)
    bench.slots(2)
    bench.admit(ahead=4)
    running = [claim_next(bench) for _ in range(2)]
    set_limit(pg, "big", 3)
    assert admitted(bench) == {"big": 1}
    set_limit(pg, "big", 1)
    assert admitted(bench) == {}
    bench.admit(ahead=4)
    assert bench.claims() == []
    bench.complete(running[0])
    bench.admit(ahead=4)
    assert bench.claims() == []
    bench.complete(running[1])
    bench.admit(ahead=4)
    assert len(bench.claims()) == 1
    assert bench.claims() == []
    with pytest.raises(NotFound):
        set_limit(pg, "nobody", 1)


def test_what_is_being_claimed_counts_against_a_lowered_limit(bench: Bench) -> None:
    queue_up(bench, big=4)
    bench.slots(4)
    bench.admit()
    with postgres.connect(bench.settings.database, "test") as other, other.transaction():
        following = Following(pool="cpu", worker=bench.worker, pid=2, lease_s=10, most=1)
        claiming = Queue(other)
        for _ in range(2):
            claiming.claim(following)
        set_limit(bench.queue.connection, "big", 2)
    assert admitted(bench) == {}


def test_who_levels_writes_over_no_admission(bench: Bench) -> None:
    """An admission that is not over has charged a tenant; what was known before is no measure."""
    pg = bench.queue.connection
    queue_up(bench, big=30, small=2)
    bench.slots(1)
    bench.admit(ahead=2)
    pg.execute("UPDATE shares SET finished = finished + 100 WHERE tenant_id = 'big'")
    with postgres.connect(bench.settings.database, "test") as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtext('netra_admit'))")
        pg.execute("SELECT netra_level('cpu')")
        ahead = finished(bench, "big")
    pg.execute("SELECT netra_level('cpu')")
    assert finished(bench, "big") < ahead - 50


def finished(bench: Bench, tenant: str) -> float:
    row = bench.queue.connection.execute(
        "SELECT finished FROM shares WHERE pool = 'cpu' AND tenant_id = %s", [tenant]
    ).fetchone()
    assert row is not None
    return row["finished"]


def test_what_a_limit_withdrew_does_not_count_as_served(bench: Bench) -> None:
    queue_up(bench, small=30)
    bench.slots(1)
    bench.admit(ahead=20)
    set_limit(bench.queue.connection, "small", 0)
    set_limit(bench.queue.connection, "small", None)
    queue_up(bench, big=30)
    assert 5 <= run(bench, 1, 12).count("small") <= 7


def test_who_comes_back_after_a_pause_has_no_credit(bench: Bench) -> None:
    for _ in range(10):
        bench.submit({"name": "a"}, tenant="big")
    bench.slots(1)
    serve(bench, 4)
    for _ in range(5):
        bench.submit({"name": "a"}, tenant="small")
    assert Counter(serve(bench, 6)) == {"big": 3, "small": 3}


def test_what_was_admitted_ahead_does_not_keep_another_tenant_out(bench: Bench) -> None:
    """The next free slot is the small tenant's, whatever the big one was admitted ahead."""
    for _ in range(30):
        bench.submit({"name": "a"}, tenant="big")
    bench.slots(2)
    # A wake-up for each slot; the rest is found by whoever completes a stage.
    assert len(bench.admit(ahead=4)) == 2
    assert admitted(bench) == {"big": 10}
    running = [claim_next(bench) for _ in range(2)]
    small = bench.submit({"name": "a"}, tenant="small")
    assert bench.admit(ahead=4) == []
    assert admitted(bench) == {"big": 8, "small": 1}
    bench.complete(running[0])
    assert claim_next(bench).job_id == small


def test_nor_at_a_single_slot(bench: Bench) -> None:
    for _ in range(30):
        bench.submit({"name": "a"}, tenant="big")
    bench.slots(1)
    bench.admit(ahead=4)
    running = claim_next(bench)
    small = bench.submit({"name": "a"}, tenant="small")
    bench.admit(ahead=4)
    bench.complete(running)
    assert claim_next(bench).job_id == small


def test_who_is_let_in_beside_the_quota_is_bounded_by_the_slots(bench: Bench) -> None:
    pg = bench.queue.connection
    for i in range(6):
        pg.execute("INSERT INTO tenants (id) VALUES (%s) ON CONFLICT DO NOTHING", [f"many-{i}"])
        bench.submit({"name": "a"}, tenant=f"many-{i}")
    bench.slots(2)
    for _ in range(3):
        bench.admit()
    assert sum(admitted(bench).values()) == 4


def test_of_a_tenants_admitted_stages_the_urgent_one_goes_first(bench: Bench) -> None:
    bench.submit({"name": "a"}, priority=1)
    bench.slots(2)
    bench.admit()
    urgent = bench.submit({"name": "a"}, priority=9)
    bench.admit()
    assert claim_next(bench).job_id == urgent


def test_what_waits_long_goes_before_what_is_urgent(bench: Bench) -> None:
    patient = bench.submit({"name": "a"}, priority=1)
    bench.submit({"name": "a"}, priority=9)
    bench.queue.connection.execute(
        "UPDATE stages SET ready_at = now() - interval '41 min' WHERE job_id = %s", [patient]
    )
    bench.slots(1)
    assert bench.started().job_id == patient


def test_a_limit_counts_all_pools(bench: Bench) -> None:
    bench.queue.connection.execute("UPDATE tenants SET max_running = 1 WHERE id = 'big'")
    bench.submit({"name": "a"}, tenant="big")
    bench.submit({"name": "g", "pool": "gpu"}, tenant="big")
    bench.slots(4)
    bench.slots(4, pool="gpu")
    assert len(bench.admit()) == 1
    assert bench.admit("gpu") == []


def test_two_schedulers_do_not_admit_twice_the_slots(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(1)
    with postgres.connect(bench.settings.database, "test") as other, other.transaction():
        Queue(other).admit(["cpu"], ahead=0, stale_s=60, readmit_s=60)
        answer = bench.queue.admit(["cpu"], ahead=0, stale_s=60, readmit_s=60)["cpu"]
    assert (answer["messages"], answer["passed_over"]) == ([], True)
    assert bench.admit() == []


def test_workers_that_went_silent_bring_no_slots(bench: Bench) -> None:
    bench.submit({"name": "a"})
    bench.slots(4)
    bench.queue.connection.execute("UPDATE workers SET heartbeat_at = now() - interval '1 min'")
    answer = bench.queue.admit(["cpu"], ahead=1, stale_s=8, readmit_s=5)["cpu"]
    assert answer["messages"] == []
