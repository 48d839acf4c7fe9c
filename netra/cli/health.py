"""`netra health`: one process's liveness, for probes, which load next to nothing; and all parts.

Exit code 0: alive; 1: not, and standard output says why.
"""

from __future__ import annotations

from typing import NoReturn

import click

#: An API that has not answered by then hangs, seconds. Below the probes' own timeout of 3 s.
_PATIENCE_S = 2.5
#: A follower beats after each ingest that it sends, which may take minutes, seconds.
_SENDING_S = 600.0
#: The addresses that a server listens on all interfaces with, which nobody can connect to.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.group()
def health() -> None:
    """Say whether a process on this machine is alive: for liveness probes."""


@health.command()
@click.option("--pool", type=click.Choice(["cpu", "gpu"]), help="Of this pool only.")
def worker(pool: str | None) -> None:
    """Whether the worker that runs here beats; all of them, where several do."""
    _beats(f"worker-{pool}" if pool else "worker")


@health.command()
def scheduler() -> None:
    """Whether the scheduler that runs here beats."""
    _beats("scheduler")


@health.command()
def backup() -> None:
    """Whether netra backup follow, which runs here, goes on: also while a store is away."""
    _beats("backup", _SENDING_S)


@health.command()
@click.option("--ready", is_flag=True, help="Ask /health/ready: whether its stores answer too.")
def api(ready: bool) -> None:
    """Whether the API that runs here answers /health."""
    import http.client

    from netra.settings import current

    at = current().api
    path = "/health/ready" if ready else "/health"
    host = _ANY.get(at.host, at.host)
    connection = http.client.HTTPConnection(host, at.port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as e:
        _dead(f"no answer from {host}:{at.port}{path}: {e}")
    finally:
        connection.close()
    if answer.status != 200:
        _dead(f"{host}:{at.port}{path} answered {answer.status}: {text[:300]}")
    click.echo(f"alive: {host}:{at.port}{path} answered 200")


@health.command("all")
@click.option("--url", envvar="NETRA_API_URL", help="The API's URL. [NETRA_API_URL]")
@click.option("--frontend-url", envvar="FRONTEND_URL", help="The console's URL. [FRONTEND_URL]")
@click.option("--home", type=click.Path(), help="The folder of the stack to use.")
def everything(url: str | None, frontend_url: str | None, home: str | None) -> None:
    """Whether API, console, stores and WebSocket all answer; a line each."""
    from netra.cli import vitals
    from netra.cli.checks.check import subject
    from netra.embedded import home as homes
    from netra.settings import current

    on = subject(homes.choose(home, current().embedded.home), current())
    at = on.settings.api
    if url is None and on.running and on.stack:
        url = on.stack.api_url
    url = url or f"http://{_ANY.get(at.host, at.host)}:{at.port}"
    asked = vitals.vitals(on.settings, url.rstrip("/"), frontend_url and frontend_url.rstrip("/"))
    if not vitals.report(asked):
        raise SystemExit(1)


def _beats(name: str, at_least_s: float = 0.0) -> None:
    from netra import heartbeat
    from netra.settings import current

    settings = current().health
    stale_s = max(settings.stale_s, at_least_s)
    ages = heartbeat.ages_s(settings, name)
    if not ages:
        _dead(f"no {name} has ever beaten in {heartbeat.folder(settings)} (NETRA_HEALTH_FOLDER)")
    late = {who: age for who, age in ages.items() if age > stale_s}
    if late:
        said = ", ".join(f"{who} for {age:.0f} s" for who, age in late.items())
        _dead(f"no beat of {said}; a living one beats every {stale_s:g} s at least")
    click.echo("alive: " + ", ".join(f"{who} beat {age:.1f} s ago" for who, age in ages.items()))


def _dead(why: str) -> NoReturn:
    click.echo(why)
    raise SystemExit(1)
