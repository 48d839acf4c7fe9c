"""What the stores say at the end: is everything there, once, and in order?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from netra.store import clickhouse, postgres, series
from netra.store.series import Writer
from tests.chaos.stack import Harness

_OVER = ("succeeded", "failed", "cancelled")


@dataclass
class Findings:
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    #: Why stages were given up.
    errors: Counter[str] = field(default_factory=Counter)


def check(harness: Harness, accepted: Sequence[str]) -> Findings:
    found = Findings()
    with postgres.connect(harness.settings.database, "chaos") as pg:
        _jobs(pg, accepted, found)
        _facts(pg, found)
        _results(pg, found)
        _leftovers(pg, found)
        _tables(harness, pg, found)
        for row in _rows(pg, "SELECT error FROM dead_letters"):
            found.errors[f"{row['error']['type']}: {row['error']['message'][:150]}"] += 1
    return found


def _rows(pg: postgres.Connection, statement: str) -> list[dict[str, Any]]:
    return pg.execute(statement.encode()).fetchall()


def _jobs(pg: postgres.Connection, accepted: Sequence[str], found: Findings) -> None:
    """Every accepted job is over, and was made once."""
    rows = _rows(pg, "SELECT id::text, state, labels->>'number' AS number FROM jobs")
    states = {row["id"]: row["state"] for row in rows}
    for job in accepted:
        if states.get(job) not in _OVER:
            found.lost.append(f"job {job} is {states.get(job, 'not there')}")
    numbers = [row["number"] for row in rows]
    found.doubled += [f"job number {n} twice" for n in set(numbers) if numbers.count(n) > 1]
    for state in states.values():
        found.states[state] = found.states.get(state, 0) + 1


def _facts(pg: postgres.Connection, found: Findings) -> None:
    """Each epoch has one end, it is the last fact, and no number is missing."""
    for row in _rows(
        pg,
        "SELECT job_id, epoch, count(*) AS n, min(seq) AS first, max(seq) AS last,"
        " count(*) FILTER (WHERE kind IN ('job.succeeded', 'job.failed', 'job.cancelled')) AS ends,"
        " max(seq) FILTER (WHERE kind IN ('job.succeeded', 'job.failed', 'job.cancelled')) AS ended"
        " FROM facts GROUP BY job_id, epoch",
    ):
        name = f"job {row['job_id']} epoch {row['epoch']}"
        if row["ends"] > 1 or (row["ends"] == 1 and row["ended"] != row["last"]):
            found.doubled.append(f"{name} ended {row['ends']} times, or went on after its end")
        if row["ends"] == 0:
            found.lost.append(f"{name} has no end")
        if (row["first"], row["last"]) != (1, row["n"]):
            found.gaps.append(f"{name}: {row['n']} facts from {row['first']} to {row['last']}")


def _results(pg: postgres.Connection, found: Findings) -> None:
    """A stage that succeeded has the result of its last attempt, and ended once an epoch."""
    for row in _rows(
        pg,
        "SELECT s.id, s.state, s.attempt, r.attempt AS of FROM stages s"
        " LEFT JOIN stage_results r ON r.stage_id = s.id"
        " WHERE (s.state = 'succeeded') <> (r.stage_id IS NOT NULL)"
        " OR (s.state = 'succeeded' AND s.attempt <> r.attempt)",
    ):
        kind = found.lost if row["of"] is None else found.doubled
        kind.append(f"stage {row['id']} is {row['state']}, attempt {row['attempt']} of {row['of']}")
    for row in _rows(
        pg,
        "SELECT job_id, stage, epoch, count(*) AS n FROM facts WHERE kind = 'stage.succeeded'"
        " GROUP BY job_id, stage, epoch HAVING count(*) > 1",
    ):
        found.doubled.append(f"stage {row['stage']} of job {row['job_id']} succeeded {row['n']}x")


def _leftovers(pg: postgres.Connection, found: Findings) -> None:
    """No lease without a running stage, and no fact unsent."""
    for row in _rows(
        pg, "SELECT id, state FROM stages WHERE lease_until IS NOT NULL OR state = 'running'"
    ):
        found.lost.append(f"stage {row['id']} is {row['state']} and holds a lease")
    (row,) = _rows(pg, "SELECT count(*) AS n FROM outbox")
    if row["n"]:
        found.lost.append(f"{row['n']} facts were never sent")


def _tables(harness: Harness, pg: postgres.Connection, found: Findings) -> None:
    """The rows that can be seen in ClickHouse are the winners', all of them, once."""
    client = clickhouse.connect(harness.settings.clickhouse)
    try:
        for row in _rows(
            pg,
            "SELECT id, tenant_id, job_id, attempt, (params->>'table_rows')::int AS rows"
            " FROM stages WHERE state = 'succeeded' AND (params->>'table_rows')::int > 0",
        ):
            writer = Writer(
                tenant_id=row["tenant_id"],
                job_id=UUID(str(row["job_id"])),
                stage_id=row["id"],
                attempt=row["attempt"],
            )
            table = series.read(client, writer, "rows")
            there = table.column("row").to_pylist() if table is not None else []
            if there != list(range(row["rows"])):
                kind = found.lost if len(there) < row["rows"] else found.doubled
                kind.append(f"stage {row['id']}: {len(there)} rows of {row['rows']}")
    finally:
        client.close()
