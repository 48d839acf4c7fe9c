"""Tenants and their share of the pools, for those who run the installation."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from netra.errors import InvalidInput, NotFound, Problem
from netra.store.naming import check_name
from netra.store.postgres import Connection, unavailable


@dataclass(frozen=True, kw_only=True)
class TenantRow:
    id: str
    #: Share of a contended pool, relative to other tenants.
    weight: float
    #: Stages admitted or running at once at most, over all pools; None is unlimited.
    max_running: int | None
    #: Stages that wait for a slot, and that hold one.
    ready: int
    held: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class HeldBack:
    """A tenant that holds all that its limit allows, while more of its stages wait."""

    tenant: str
    max_running: int
    #: Stages that could begin by now but for the limit.
    stages: int
    #: How long the oldest of them has waited, seconds.
    oldest_s: float

    def __str__(self) -> str:
        """What is so, and which command changes it."""
        wait = (
            "1 stage of tenant {} waits" if self.stages == 1 else "{1:,} stages of tenant {0} wait"
        )
        return (
            f"{wait.format(self.tenant, self.stages)} for its limit of {self.max_running:,} running"
            f" stages (netra tenant set {self.tenant} --max-running N, or --unlimited)"
        )


_LIST = """
    SELECT t.id, t.weight, t.max_running, t.created_at, coalesce(s.ready, 0) AS ready,
        coalesce(s.held, 0) AS held
    FROM tenants t LEFT JOIN (
        SELECT tenant_id, count(*) FILTER (WHERE state = 'ready') AS ready,
            count(*) FILTER (WHERE state <> 'ready') AS held
        FROM stages WHERE state = 'ready' OR state = 'admitted' OR state = 'running'
        GROUP BY tenant_id) s ON s.tenant_id = t.id
    ORDER BY t.id
"""

# Stages that hold a slot are few; those that wait are read once, and only where a limit is reached.
_HELD_BACK = """
    WITH reached AS MATERIALIZED (
        SELECT t.id, t.max_running FROM tenants t LEFT JOIN (
            SELECT tenant_id, count(*) AS n FROM (
                SELECT tenant_id FROM stages WHERE state = 'admitted'
                UNION ALL SELECT tenant_id FROM stages WHERE state = 'running') s
            GROUP BY tenant_id) held ON held.tenant_id = t.id
        WHERE t.max_running <= coalesce(held.n, 0))
    SELECT r.id AS tenant, r.max_running, count(*)::int AS stages,
        extract(epoch FROM clock_timestamp() - min(greatest(s.ready_at, s.run_at)))::float8
            AS oldest_s
    FROM reached r JOIN stages s ON s.tenant_id = r.id
    WHERE s.state = 'ready' AND s.run_at <= clock_timestamp()
    GROUP BY r.id, r.max_running ORDER BY stages DESC, r.id
"""


def held_back(pg: Connection) -> list[HeldBack]:
    """Tenants whose own limit keeps their stages from beginning, whatever slots are free."""
    with unavailable():
        return [HeldBack(**row) for row in pg.execute(_HELD_BACK).fetchall()]


def all_of_them(pg: Connection) -> list[TenantRow]:
    with unavailable():
        return [TenantRow(**row) for row in pg.execute(_LIST).fetchall()]


def make(pg: Connection, tenant_id: str) -> str:
    """A new tenant; its first API key, which is shown once and kept nowhere.

    Raises:
        InvalidInput: it cannot be called that, or there is one already.
    """
    check_name(tenant_id, "tenant")
    key = f"netra_{secrets.token_urlsafe(32)}"
    with unavailable(), pg.transaction():
        made = pg.execute(
            "INSERT INTO tenants (id) VALUES (%s) ON CONFLICT DO NOTHING", [tenant_id]
        )
        if not made.rowcount:
            raise InvalidInput(f"there is a tenant {tenant_id} already")
        pg.execute(
            "INSERT INTO api_keys (key_hash, tenant_id, name) VALUES (%s, %s, 'first')",
            [hashlib.sha256(key.encode()).hexdigest(), tenant_id],
        )
    return key


def set_weight(pg: Connection, tenant_id: str, weight: float) -> None:
    """From the scheduler's next round on, which is at once.

    Raises:
        InvalidInput: the weight is not a positive number.
        NotFound: there is no such tenant.
    """
    if not 0 < weight < float("inf"):
        problem = Problem(where="weight", problem="not a positive number", got=str(weight))
        raise InvalidInput("a weight must be above 0", [problem])
    _change(pg, "UPDATE tenants SET weight = %s WHERE id = %s", weight, tenant_id)


def set_limit(pg: Connection, tenant_id: str, max_running: int | None) -> None:
    """From now on: what runs above a lowered limit goes on, and nothing begins above it.

    Raises:
        InvalidInput: the limit is negative.
        NotFound: there is no such tenant.
    """
    if max_running is not None and max_running < 0:
        problem = Problem(where="max_running", problem="negative", got=str(max_running))
        raise InvalidInput("a limit must not be negative", [problem])
    with unavailable(), pg.transaction():
        row = pg.execute("SELECT netra_limit(%s, %s) AS known", [tenant_id, max_running]).fetchone()
    if row is None or not row["known"]:
        raise NotFound(f"there is no tenant {tenant_id}")


def _change(pg: Connection, statement: str, value: object, tenant_id: str) -> None:
    with unavailable(), pg.transaction():
        changed = pg.execute(statement.encode(), [value, tenant_id])
        if not changed.rowcount:
            raise NotFound(f"there is no tenant {tenant_id}")
        pg.execute("SELECT pg_notify('netra_wake', '')")
