"""`netra health`: one process's liveness, for probes, which load next to nothing; and all parts.

Exit code 0: alive; 1: not, and standard output says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from pathlib import Path

    from netra.embedded.home import Home
    from netra.heartbeat import Beat

#: An API that has not answered by then hangs, seconds. Below the probes' own timeout of 3 s.
_PATIENCE_S = 2.5
#: A follower beats after each ingest that it sends, which may take minutes, seconds.
_SENDING_S = 600.0
#: The addresses that a server listens on all interfaces with, which nobody can connect to.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.group()
def health() -> None:
    """Say whether a process on this machine is alive: for liveness probes."""


_home_option = click.option("--home", type=click.Path(), help="The folder of the stack to use.")


@health.command()
@click.option("--pool", type=click.Choice(["cpu", "gpu"]), help="Of this pool only.")
@_home_option
def worker(pool: str | None, home: str | None) -> None:
    """Whether the worker that runs here beats; all of them, where several do."""
    _beats(f"worker-{pool}" if pool else "worker", home)


@health.command()
@_home_option
def scheduler(home: str | None) -> None:
    """Whether the scheduler that runs here beats."""
    _beats("scheduler", home)


@health.command()
@click.option("--alive", is_flag=True, help="Its beat alone, whether or not it gets through.")
@_home_option
def backup(alive: bool, home: str | None) -> None:
    """Whether the netra backup follow of this installation beats, and what it sends gets through.

    A restart mends no store and no destination: a probe that restarts asks for --alive.
    """
    from datetime import UTC, datetime

    from netra import heartbeat
    from netra.backup import standing
    from netra.settings import current

    settings = current()
    chosen = _home(home)
    if home and chosen:
        where, name = chosen.beats, standing.NAME
    else:
        where, name = standing.place(settings, chosen)
    found = [b for b in heartbeat.beats(where, name) if b.path.name == name]
    # Of a process that ended there is nothing to wait for.
    left = [b for b in found if b.ended]
    said = _judged(name, where, found, left, max(settings.health.stale_s, _SENDING_S))
    stands, now = standing.read(where, name), datetime.now(UTC)
    if stands and stands.pid in {b.pid for b in found} and not alive:
        if stands.is_stuck(now):
            _dead(stands.words(now))
        said += f"; {stands.words(now)}"
    click.echo(said)


@health.command()
@click.option("--ready", is_flag=True, help="Ask /health/ready: whether its stores answer too.")
@_home_option
def api(ready: bool, home: str | None) -> None:
    """Whether the API that runs here answers /health."""
    import http.client

    at, path = _api(home), "/health/ready" if ready else "/health"
    connection = http.client.HTTPConnection(at, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as e:
        _dead(f"no answer from {at}{path}: {e}")
    finally:
        connection.close()
    if answer.status != 200:
        _dead(f"{at}{path} answered {answer.status}: {text[:300]}")
    click.echo(f"alive: {at}{path} answered 200")


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
    url = url or f"http://{_api(home)}"
    asked = vitals.vitals(on.settings, url.rstrip("/"), frontend_url and frontend_url.rstrip("/"))
    well = vitals.report(asked)
    if not frontend_url:
        click.echo("frontend    skipped FRONTEND_URL names none: it was not asked")
    if not well:
        raise SystemExit(1)


def _beats(name: str, home: str | None = None) -> None:
    from netra import heartbeat
    from netra.settings import current

    settings = current().health
    stack = None if settings.folder and not home else _stack(home)
    where = stack.beats if stack else heartbeat.folder(settings)
    found = heartbeat.beats(where, name)
    # Left by an earlier run: it says nothing of a process that runs now.
    left = [b for b in found if b.age_s > settings.stale_s and b.ended]
    click.echo(_judged(name, where, found, left, settings.stale_s))


def _judged(name: str, where: Path, found: list[Beat], left: list[Beat], stale_s: float) -> str:
    """That those of `found` beat that are not `left` by a process that ended; dead if not."""
    here = [b for b in found if b not in left]
    late = [b for b in here if b.age_s > stale_s]
    if late:
        said = ", ".join(f"{b.path.name} for {b.age_s:.0f} s (pid {b.pid or '?'})" for b in late)
        _dead(
            f"no beat of {said} in {where}; a living one beats every {stale_s:g} s at least. It"
            " hangs or ended: look at its log, then restart it"
        )
    if not here:
        before = "".join(
            f"; {b.path.name} was left there {b.age_s:.0f} s ago by pid {b.pid}, which has ended"
            for b in left
        )
        _dead(
            f"no {name} runs here that beats in {where}{before}. Start it; where it beats"
            " elsewhere, name the stack with --home, or the folder with NETRA_HEALTH_FOLDER"
        )
    alive = ", ".join(f"{b.path.name} beat {b.age_s:.1f} s ago" for b in here)
    return f"alive: {alive} (in {where})"


def _home(named: str | None) -> Home | None:
    """The home that is meant; None of a user without one."""
    from netra.embedded import home as homes
    from netra.settings import current

    try:
        return homes.choose(named, current().embedded.home)
    except (OSError, RuntimeError):
        return None


def _stack(named: str | None) -> Home | None:
    """The home of the stack that runs here. In a container there is none, and that is soon seen."""
    home = _home(named)
    try:
        if home is None or not home.lock.exists():
            return None
    except OSError:  # a folder that is closed to this user
        return None
    from netra.embedded import runfile

    return home if runfile.is_running(home) else None


def _api(named: str | None) -> str:
    """Host and port: of the running stack, unless the environment says where the API listens."""
    import os

    from netra.settings import current

    at = current().api
    stack = None if "NETRA_API_PORT" in os.environ and not named else _stack(named)
    if stack:
        from netra.embedded import runfile

        if url := runfile.read(stack).api_url:
            return url.removeprefix("http://")
    host = _ANY.get(at.host, at.host)
    return f"[{host}]:{at.port}" if ":" in host else f"{host}:{at.port}"


def _dead(why: str) -> NoReturn:
    click.echo(why)
    raise SystemExit(1)
