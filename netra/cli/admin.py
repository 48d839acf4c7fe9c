"""`netra admin`: connections, queue, memory and keys of an installation, for those who run it.

It speaks to the stores themselves: no API key may see or change what others hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netra.cli import output
from netra.cli.output import count, duration, emit, json_option, when
from netra.cli.stores_here import database, here, home_option, reachable
from netra.store import api_key, operating, redis, tenant
from netra.store.api_key import KeyRow
from netra.store.operating import Sessions, WorkerRow


@click.group()
def admin() -> None:
    """Look at and reset connections, queue and memory; make and revoke keys."""


@admin.command()
@home_option
@json_option
def connections(home: str | None, as_json: bool) -> None:
    """Show who is connected to PostgreSQL and Redis, and the pools of the API's processes."""
    from netra.cli import api_figures

    settings = reachable(home)
    with database(home) as pg:
        sessions, allowed = operating.sessions(pg), operating.connections_allowed(pg)
    with redis.connect(settings.redis) as client:
        clients = operating.redis_clients(client)
    found = {
        "postgres": {"allowed": allowed, "applications": sessions},
        "redis": clients,
        "api": api_figures.of(here(home)),
    }
    emit(found, as_json, _connections)


@admin.command()
@click.option("--application", help="Of PostgreSQL's sessions of this name, e.g. netra-api.")
@click.option("--pid", type=int, help="The one session of PostgreSQL's with this pid.")
@click.option("--redis", "on_redis", is_flag=True, help="All connections to Redis.")
@home_option
@json_option
def reset(
    application: str | None, pid: int | None, on_redis: bool, home: str | None, as_json: bool
) -> None:
    """Close connections; Netra's processes open new ones, and nothing is lost.

    A transaction under way is rolled back. `netra admin connections` lists the applications. Exit
    code 1: there was none to close.
    """
    if sum((application is not None, pid is not None, on_redis)) != 1:
        raise click.UsageError("say which: --application, --pid or --redis")
    if on_redis:
        with redis.connect(reachable(home).redis) as client:
            ended = operating.end_redis_clients(client)
    else:
        with database(home) as pg:
            ended = len(operating.end_sessions(pg, pid=pid, application=application))
    emit({"closed": ended}, as_json, lambda done: f"closed {done['closed']} connections")
    if not ended:
        named = f"of {application}" if application else f"with pid {pid}" if pid else "to Redis"
        output.stderr().print(
            f"nothing was closed: there is no connection {named}; netra admin connections lists"
            " them",
            soft_wrap=True,
        )
        click.get_current_context().exit(1)


@admin.command()
@home_option
@json_option
def queue(home: str | None, as_json: bool) -> None:
    """Show what waits, what runs, and who runs it."""
    with database(home) as pg:
        found = {
            "stages": operating.stages(pg),
            "workers": operating.workers(pg),
            "held_back": tenant.held_back(pg),
        }
    emit(found, as_json, _queue)


@admin.command()
@home_option
@json_option
def memory(home: str | None, as_json: bool) -> None:
    """Show what each of Netra's processes on this machine holds, the largest first.

    Memory is counted as the proportional set size: shared pages are counted once in all. Run it
    again later to see what grows.
    """
    from netra.cli import process_memory

    emit(process_memory.listed(here(home)), as_json, process_memory.table)


@admin.group()
def key() -> None:
    """Make, list, revoke and rotate API keys."""


@key.command("list")
@click.option("--tenant", help="Of this tenant only.")
@home_option
@json_option
def list_keys(tenant: str | None, home: str | None, as_json: bool) -> None:
    """List keys by name; the keys themselves are kept nowhere."""
    with database(home) as pg:
        found = api_key.listed(pg, tenant)
    emit({"items": found}, as_json, lambda page: _keys(page["items"]))


@key.command("create")
@click.argument("tenant")
@click.argument("name")
@home_option
@json_option
def create_key(tenant: str, name: str, home: str | None, as_json: bool) -> None:
    """Make a key NAME for TENANT, and print it: it is shown once."""
    with database(home) as pg:
        made = api_key.create(pg, tenant, name)
    emit({"tenant": tenant, "name": name, "api_key": made}, as_json, lambda k: k["api_key"])


@key.command("revoke")
@click.argument("tenant")
@click.argument("name")
@home_option
@json_option
def revoke_key(tenant: str, name: str, home: str | None, as_json: bool) -> None:
    """Revoke the key NAME of TENANT; the API refuses it within seconds."""
    with database(home) as pg:
        api_key.revoke(pg, tenant, name)
    emit({"tenant": tenant, "name": name}, as_json, lambda _: f"revoked {name} of {tenant}")


@key.command("rotate")
@click.argument("tenant")
@click.argument("name")
@home_option
@json_option
def rotate_key(tenant: str, name: str, home: str | None, as_json: bool) -> None:
    """Make a new key in place of NAME, and print it; the old one is refused within seconds.

    To let both hold for a while, create one of another name, and revoke the old one later.
    """
    with database(home) as pg:
        made = api_key.rotate(pg, tenant, name)
    emit({"tenant": tenant, "name": name, "api_key": made}, as_json, lambda k: k["api_key"])


def _connections(found: dict[str, object]) -> RenderableType:
    postgres, clients, api = found["postgres"], found["redis"], found["api"]
    assert isinstance(postgres, dict)
    assert isinstance(clients, operating.Clients)
    assert isinstance(api, dict)
    rows = _sessions(postgres["applications"])
    used = sum(s.total for s in postgres["applications"])
    return Group(
        rows,
        Text(f"\nPostgreSQL: {used} of {postgres['allowed']} connections"),
        Text(
            f"Redis: {clients.total} connections, {clients.subscribed} listening,"
            f" {clients.blocked} waiting for work, {clients.output_bytes} bytes not yet sent"
        ),
        Text("API: " + (", ".join(f"{n} {v:g}" for n, v in api.items()) or "not reachable")),
    )


def _sessions(rows: list[Sessions]) -> Table:
    shown = output.table(
        "application", "connections", "active", "idle", "in transaction", "waiting", "oldest",
        right=("connections", "active", "idle", "in transaction", "waiting", "oldest"),
    )  # fmt: skip
    for s in rows:
        numbers = (s.total, s.active, s.idle, s.idle_in_transaction, s.waiting)
        shown.add_row(s.application or "(unnamed)", *map(count, numbers), duration(s.oldest_s))
    return shown


def _queue(found: Mapping[str, Sequence[object]]) -> RenderableType:
    stages = output.table("pool", "state", "stages", "oldest", right=("stages", "oldest"))
    for s in found["stages"]:
        assert isinstance(s, operating.StagesRow)
        stages.add_row(s.pool, output.state(s.state), count(s.stages), duration(s.oldest_s))
    workers = output.table(
        "worker", "host", "pid", "slots", "running", "last beat",
        right=("pid", "slots", "running", "last beat"),
    )  # fmt: skip
    for w in found["workers"]:
        assert isinstance(w, WorkerRow)
        numbers = (str(w.pid), count(w.concurrency), count(w.running))
        workers.add_row(w.pool, w.host, *numbers, duration(w.quiet_s))
    # One that waits beside free slots would look like a fault of the scheduler's.
    held_back = [Text(f"\n{limited}", "yellow") for limited in found["held_back"]]
    return Group(stages, Text(""), workers, *held_back)


def _keys(rows: list[KeyRow]) -> Table:
    shown = output.table("tenant", "name", "since", "revoked")
    for row in rows:
        shown.add_row(row.tenant_id, row.name, when(row.created_at), when(row.revoked_at))
    return shown
