"""Facts as followers read them from the record."""

from __future__ import annotations

import asyncio
from uuid import UUID

from netra.ids import new_id
from netra.store import fact, postgres
from tests.integration.bench import Bench
from tests.integration.fixtures import bench

__all__ = ["bench"]


def begun(
    bench: Bench, tenant: str, job: UUID, epoch: int | None, n: int = 100
) -> tuple[tuple[int, int], list[tuple[int, int]]] | None:
    async def run() -> tuple[tuple[int, int], list[tuple[int, int]]] | None:
        pool = postgres.pool(bench.settings.database, "test")
        await pool.open()
        try:
            async with postgres.checkout(pool) as connection:
                found = await fact.begin(connection, tenant, job, epoch, n)
        finally:
            await pool.close()
        if found is None:
            return None
        head, rows = found
        assert all(row.job_id == str(job) and row.raw for row in rows)
        return head, [(row.epoch, row.seq) for row in rows]

    return asyncio.run(run())


def test_a_job_is_read_from_the_first_fact_of_an_epoch(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    bench.slots(1)
    bench.fail(bench.started(), retry=False)
    first = [(1, seq) for seq in range(1, 7)]
    assert begun(bench, "default", job, None) == ((1, 6), first)
    assert begun(bench, "default", job, 1, n=2) == ((1, 6), first[:2])
    bench.retry(job)
    (head, facts) = begun(bench, "default", job, None) or ((0, 0), [])
    assert head == facts[-1]
    assert facts == [(2, seq) for seq in range(1, len(facts) + 1)]
    assert begun(bench, "default", job, 1) == (head, first + facts)
    assert begun(bench, "default", job, 3) == (head, [])


def test_another_tenants_job_is_not_there(bench: Bench) -> None:
    job = bench.submit({"name": "a"})
    assert begun(bench, "somebody-else", job, None) is None
    assert begun(bench, "default", new_id(), None) is None
