"""What the queue's functions read does not grow with what waits, whenever their plans were made.

A plan is made once in a connection, and kept until PostgreSQL analyzes a table anew: a minute, in
which anything may have been submitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.integration.bench import Bench, job_body

TABLES = ("stages", "jobs", "facts", "stage_results", "outbox")


@pytest.fixture
def no_vacuum(bench: Bench) -> Iterator[None]:
    """No plan is made anew because PostgreSQL happens to look at the tables meanwhile."""
    for table in TABLES:
        bench.queue.connection.execute(
            f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode()
        )
    yield
    for table in TABLES:
        bench.queue.connection.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)".encode())


@dataclass
class Pages:
    """Calls the queue's functions, and counts the pages that PostgreSQL reads for each call."""

    bench: Bench

    def admit(self) -> int:
        return self._read("netra_admit_pools('{cpu}', 0, 0, 60, 60)")

    def submit(self, tenant: str) -> int:
        """Writes a job, which is admitted at once if nothing else waits."""
        return self._read("netra_submit(%s, 60)", Jsonb([job_body({"name": "a"}, tenant=tenant)]))

    def report(self, *, most: int) -> int:
        """Completes all that runs in one call, and claims the next."""
        rows = self.bench.queue.connection.execute(
            "SELECT id, fence FROM stages WHERE state = 'running'"
        ).fetchall()
        done = [
            {"stage": str(row["id"]), "fence": row["fence"], "content": {}, "tables": []}
            for row in rows
        ]
        return self._read(
            "netra_report(%s, NULL, 'cpu', %s, 1, 60, %s, '{}')",
            Jsonb(done),
            self.bench.worker,
            most,
        )

    def _read(self, call: str, *args: Any) -> int:
        row = self.bench.queue.connection.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT {call}".encode(), args
        ).fetchone()
        assert row is not None
        plan = row["QUERY PLAN"][0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def of_a_round(self, tenants: list[str]) -> list[int]:
        """Single stages, then pairs of short ones: admitted, claimed and completed."""
        read = [self.submit(tenant) for tenant in tenants]
        read += [self.admit(), *(self.report(most=1) for _ in range(len(tenants) + 1))]
        for tenant in tenants * 4:
            pair = ({"name": "a", "short": True}, {"name": "b", "short": True, "after": ["a"]})
            self.bench.submit(*pair, tenant=tenant)
        for _ in range(3 * len(tenants)):
            read += [self.admit(), self.report(most=3), self.report(most=3)]
        states = self.bench.queue.connection.execute(
            "SELECT count(*) AS n FROM stages WHERE state <> 'succeeded' AND tenant_id = ANY(%s)",
            [tenants],
        ).fetchone()
        assert states == {"n": 0}
        return read


def submit_many(bench: Bench, n: int, tenant: str) -> None:
    """Jobs of one stage, in one transaction."""
    jobs = [job_body({"name": "a"}, tenant=tenant) for _ in range(n)]
    bench.queue.connection.execute("SELECT netra_submit(%s)", [Jsonb(jobs)])


@pytest.mark.usefixtures("no_vacuum")
@pytest.mark.parametrize("tenants", [["small"], ["small", "other"]])
@pytest.mark.parametrize(
    ("known", "state"),
    [
        (0, "ready"),
        (1, "ready"),
        (1, "succeeded"),
        (3, "ready"),
        (3, "admitted"),
        (6, "succeeded"),
    ],
)
def test_what_is_read_does_not_grow_with_what_waits(
    bench: Bench, known: int, state: str, tenants: list[str]
) -> None:
    pg = bench.queue.connection
    for tenant in ("big", *tenants):
        pg.execute("INSERT INTO tenants (id) VALUES (%s) ON CONFLICT DO NOTHING", [tenant])
    pg.execute("UPDATE tenants SET max_running = 0 WHERE id = 'big'")
    bench.slots(20)
    if known:
        submit_many(bench, known, "small")
        pg.execute("UPDATE stages SET state = %s", [state])
        for table in TABLES:
            pg.execute(f"ANALYZE {table}".encode())
        pg.execute("DELETE FROM stages")
        pg.execute("DELETE FROM jobs")
    pages = Pages(bench)
    pages.of_a_round(tenants)
    few = pages.of_a_round(tenants)
    submit_many(bench, 10_000, "big")
    many = pages.of_a_round(tenants)
    # An index is a level or two higher; all that waits is 2,000 pages and more.
    assert max(more - less for more, less in zip(many, few, strict=True)) < 300


def test_tenants_without_work_cost_an_admission_nothing(bench: Bench) -> None:
    pages = Pages(bench)
    bench.slots(20)
    bench.submit({"name": "a"})
    pages.admit()
    bench.submit({"name": "a"})
    few = pages.admit()
    pg = bench.queue.connection
    pg.execute("INSERT INTO tenants (id) SELECT 'idle-' || n FROM generate_series(1, 500) n")
    try:
        bench.submit({"name": "a"})
        assert pages.admit() < few + 300
    finally:
        pg.execute("DELETE FROM tenants WHERE id LIKE 'idle-%'")
