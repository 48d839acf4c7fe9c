"""Examines the machine and the stack; used by `netra doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from netra.cli import output
from netra.cli.checks import machine, running, stores
from netra.cli.checks.check import Check, Examination, guarded, subject
from netra.embedded.home import Home
from netra.settings import Settings

EXAMINATIONS: tuple[Examination, ...] = (
    *(machine.python, machine.home, machine.disk, machine.engines, machine.wanted_ports),
    machine.gpu,
    running.processes,
    *(stores.postgres, stores.valkey, stores.clickhouse),
    *(running.api, running.flower),
)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


def examine(home: Home, settings: Settings) -> list[Check]:
    """Everything that `netra doctor` looks at, in the order it shows it."""
    on = subject(home, settings)
    return [check for examination in EXAMINATIONS for check in guarded(examination, on)]


def render(checks: Sequence[Check]) -> RenderableType:
    rows = output.table("", "check", "found")
    for check in checks:
        found = Text(check.found)
        if check.mend and check.state != "ok":
            found.append(f"\n→ {check.mend}", "dim")
        rows.add_row(Text(check.state, _STYLES[check.state]), check.name, found)
    counts = {state: sum(c.state == state for c in checks) for state in ("fail", "warn")}
    verdict = "all is well" if not any(counts.values()) else _verdict(counts)
    return Group(rows, Text(f"\n{verdict}"))


def _verdict(counts: dict[str, int]) -> str:
    return f"{counts['fail']} failed, {counts['warn']} to watch"
