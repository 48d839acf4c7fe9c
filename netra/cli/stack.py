"""`netra up | down | status | doctor`: the one-machine stack."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.text import Text

from netra import settings
from netra.cli import output
from netra.cli.stack_display import Display
from netra.embedded import detached, lock, runfile, status
from netra.embedded import home as homes
from netra.embedded.home import Home
from netra.embedded.processes import ALL
from netra.embedded.stopping import on_signals
from netra.embedded.supervisor import Stack
from netra.errors import NetraError, SettingsError

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False),
    envvar="NETRA_EMBEDDED_HOME",
    help="The folder of everything the stack writes. [NETRA_EMBEDDED_HOME]",
)


def _home(named: str | None) -> Home:
    return homes.choose(named, settings.current().embedded.home)


@click.command()
@home_option
@click.option("--detach", "-d", is_flag=True, help="Return when it runs; stop it with netra down.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(ALL),
    help="Start this process, and no others but those named likewise.",
)
def up(home: str | None, detach: bool, only: tuple[str, ...]) -> None:
    """Start the stack: PostgreSQL, Valkey, ClickHouse, API, workers, scheduler, Flower.

    It runs until Ctrl-C, or with --detach until `netra down`. A store whose URL is given
    (DATABASE_URL, REDIS_URL, CLICKHOUSE_URL) is used, and not started.
    """
    chosen = _home(home)
    if runfile.is_running(chosen):
        run = runfile.read(chosen)
        output.stdout().print(
            f"already running ({run.state}): {run.api_url}, home {chosen.path}; "
            "stop it with: netra down"
        )
        return
    if detach:
        with output.stderr().status("starting the stack"):
            detached.start(chosen, only=only or ALL)
        output.stdout().print(_places(status.of(chosen, settings.current())))
        return
    _foreground(chosen, only or ALL)


def _foreground(home: Home, only: Collection[str]) -> None:
    display = Display(output.stdout(), home)
    stack = Stack(home, components=only, notice=display.changed)
    on_signals(stack.ask_to_stop)
    with display:
        try:
            stack.start()
        except lock.AlreadyRunning:
            raise NetraError(f"a stack in {home.path} is being started right now") from None
        if not stack.stopping:
            display.ready(_places(status.of(home, settings.current())))
        stack.wait()
    if stack.failure:
        raise stack.failure


@click.command()
@home_option
def down(home: str | None) -> None:
    """Stop the stack, and whatever a crashed one left running."""
    chosen = _home(home)
    with output.stderr().status("stopping the stack"):
        stopped = detached.stop(chosen)
    output.stdout().print("stopped" if stopped else f"nothing runs in {chosen.path}")


@click.command("status")
@home_option
@output.json_option
def show(home: str | None, as_json: bool) -> None:
    """Show what runs: state, memory and addresses of every process."""
    output.emit(status.of(_home(home), settings.current()), as_json, _table)


def _table(now: status.Status) -> RenderableType:
    if not now.running and not now.processes:
        return f"nothing runs in {now.home}; start it with: netra up"
    rows = output.table("process", "state", "pid", "restarts", "port", "memory", right=("memory",))
    for name, p in now.processes.items():
        rows.add_row(
            name,
            output.state(p.state),
            *("–" if v is None else str(v) for v in (p.pid, p.restarts, p.port)),
            "–" if p.memory_bytes is None else output.size(p.memory_bytes),
        )
    for name in sorted(now.given):
        rows.add_row(name, "given", "–", "–", "–", "–")
    if not now.running:
        return Group(rows, Text("\nthe supervisor does not run; clean up with: netra down"))
    return Group(rows, Text(f"\nmemory in all: {output.size(now.memory_bytes)}"), _places(now))


def _places(now: status.Status) -> RenderableType:
    lines = []
    if "api" in now.processes:
        lines.append(("API", f"{now.api_url}  (docs: {now.api_url}/schema)"))
        lines.append(("API key", f"in {now.api_key_file}"))
    if "flower" in now.processes:
        lines.append(("Flower", f"{now.flower_url}  (credentials in {now.home}/secrets.json)"))
    lines += [(name, f"{now.stores[name]}  (given)") for name in now.given if name in now.stores]
    lines.append(("logs", f"{now.home}/logs"))
    width = max(len(name) for name, _ in lines)
    return Text("\n".join(f"{name:<{width}} {place}" for name, place in lines))


@click.command()
@home_option
@click.option("--url", envvar="NETRA_API_URL", help="The API's URL. [NETRA_API_URL]")
@output.json_option
def doctor(home: str | None, url: str | None, as_json: bool) -> Any:
    """Check the machine and the stack; for whatever is wrong, say why and what to do.

    Where no stack runs, the stores and the API that settings name are examined: in a pod, say.

    Exit code 0: all is well; 3: something to watch, or nothing runs; 1: something is broken.
    """
    from netra.cli.checks.check import Check
    from netra.cli.doctor import examine, exit_code, render

    try:
        api_url, chosen = (url or "").rstrip("/"), home is not None
        checks = examine(_home(home), settings.current(), api_url, chosen=chosen)
    except SettingsError as e:
        mend = "correct the file or variable that it names"
        checks = [Check(name="settings", state="fail", found=e.detail, mend=mend)]
    output.emit(checks, as_json, render)
    click.get_current_context().exit(exit_code(checks))


#: What netra/cli/main.py adds.
commands: list[click.Command] = [up, down, show, doctor]
