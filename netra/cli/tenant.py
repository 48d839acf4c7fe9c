"""`netra tenant`: who shares the pools, and how. For those who run the installation.

It speaks to PostgreSQL itself, since no API key may change what others get.
"""

from __future__ import annotations

import click
from rich.table import Table

from netra.cli import output
from netra.cli.output import count, emit, json_option, when
from netra.cli.stores_here import database, home_option
from netra.store import tenant as tenants
from netra.store.tenant import TenantRow


@click.group()
def tenant() -> None:
    """Share the pools among tenants: weights and limits."""


@tenant.command("list")
@home_option
@json_option
def list_(home: str | None, as_json: bool) -> None:
    """List tenants, what they may use, and what they use now."""
    with database(home) as pg:
        found = tenants.all_of_them(pg)
    emit({"items": found}, as_json, lambda page: _table(page["items"]))


@tenant.command()
@click.argument("tenant")
@home_option
@json_option
def add(tenant: str, home: str | None, as_json: bool) -> None:
    """Make TENANT, and print its first API key: it is shown once."""
    with database(home) as pg:
        key = tenants.make(pg, tenant)
    emit({"id": tenant, "api_key": key}, as_json, lambda made: made["api_key"])


@tenant.command("set")
@click.argument("tenant")
@click.option("--weight", type=float, help="Its share of a contended pool, relative to others.")
@click.option(
    "--max-running",
    type=click.IntRange(0),
    help="Stages at once at most, in all pools; what runs above it goes on.",
)
@click.option("--unlimited", is_flag=True, help="Takes the limit away.")
@home_option
@json_option
def set_(
    tenant: str,
    weight: float | None,
    max_running: int | None,
    unlimited: bool,
    home: str | None,
    as_json: bool,
) -> None:
    """Change what TENANT may use. Schedulers act on it at once; nothing is restarted."""
    if unlimited and max_running is not None:
        raise click.UsageError("--max-running and --unlimited exclude each other")
    if weight is None and max_running is None and not unlimited:
        raise click.UsageError("nothing to change: --weight, --max-running or --unlimited")
    with database(home) as pg:
        if weight is not None:
            tenants.set_weight(pg, tenant, weight)
        if unlimited or max_running is not None:
            tenants.set_limit(pg, tenant, max_running)
        (found,) = [row for row in tenants.all_of_them(pg) if row.id == tenant]
    emit(found, as_json, lambda row: _table([row]))


def _table(rows: list[TenantRow]) -> Table:
    shown = output.table(
        "tenant", "weight", "limit", "waiting", "holds", "since",
        right=("weight", "limit", "waiting", "holds"),
    )  # fmt: skip
    for row in rows:
        limit = "–" if row.max_running is None else count(row.max_running)
        shown.add_row(
            row.id, f"{row.weight:g}", limit, count(row.ready), count(row.held),
            when(row.created_at),
        )  # fmt: skip
    return shown
