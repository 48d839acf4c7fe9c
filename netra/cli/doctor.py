"""Examines the machine and the stack; used by `netra doctor`.

Each examination is a small function; one that fails is a finding, never the end. What follows from
another finding says so, so that a fault is named once.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from netra.cli import output
from netra.cli.checks import backups, causes, clocks, machine, queue, running, stores
from netra.cli.checks.check import Check, Examination, guarded, subject
from netra.embedded.home import Home
from netra.settings import Settings

EXAMINATIONS: tuple[Examination, ...] = (
    *(
        machine.variables,
        machine.python,
        machine.home,
        machine.restore,
        machine.disk,
        machine.engines,
        machine.wanted_ports,
    ),
    machine.gpu,
    running.processes,
    *(stores.postgres, stores.valkey, stores.clickhouse),
    *(clocks.clocks, queue.queue, backups.follower),
    *(running.api, running.flower),
)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


def examine(
    home: Home, settings: Settings, api_url: str = "", *, chosen: bool = True
) -> list[Check]:
    """Everything that `netra doctor` looks at, in the order it shows it."""
    on = subject(home, settings, api_url, chosen=chosen)
    found = [check for examination in EXAMINATIONS for check in guarded(examination, on)]
    return causes.explained(found)


def exit_code(checks: Sequence[Check]) -> int:
    """0: all is well; 3: something to watch; 1: something is broken."""
    states = {check.state for check in causes.roots(checks)}
    return 1 if "fail" in states else 3 if "warn" in states else 0


def render(checks: Sequence[Check]) -> RenderableType:
    rows = output.table("", "check", "found")
    for check in checks:
        found = Text(check.found)
        if check.because:
            found.append(f"\n→ follows from: {check.because}", "dim")
        elif check.mend and check.state != "ok":
            found.append(f"\n→ {check.mend}", "dim")
        rows.add_row(Text(check.state, _STYLES[check.state]), check.name, found)
    return Group(rows, Text(f"\n{_verdict(causes.roots(checks))}"))


def _verdict(roots: Sequence[Check]) -> str:
    if not roots:
        return "all is well"
    counts = {state: sum(c.state == state for c in roots) for state in ("fail", "warn")}
    if any(check.found.startswith(running.NOTHING_RUNS) for check in roots):
        return f"{running.NOTHING_RUNS}: netra up"
    names = ", ".join(check.name for check in roots)
    return f"{counts['fail']} failed, {counts['warn']} to watch: {names}"
