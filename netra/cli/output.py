"""What commands print: text for people, or with `--json` one JSON document and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import click
import msgspec
from msgspec import UNSET, UnsetType
from rich.console import Console
from rich.table import Table
from rich.text import Text

from netra.errors import (
    InvalidInput,
    NetraError,
    NotFound,
    SettingsError,
    TooLarge,
    Unauthorized,
)
from netra.schemas.problem import TYPE_PREFIX

T = TypeVar("T")


class OutcomeUnknown(NetraError):
    """What was followed goes on, and how it ends is not known."""

    status = 503
    slug = "outcome-unknown"


#: Errors that the caller mends by asking for something else; all others are failures.
_WRONG_INPUT = (InvalidInput, NotFound, SettingsError, TooLarge, Unauthorized)

STATE_STYLES = {
    "succeeded": "green",
    "ready": "green",
    "running": "cyan",
    "ingesting": "cyan",
    "admitted": "cyan",
    "failed": "red",
    "cancelled": "yellow",
    "queued": "dim",
    "blocked": "dim",
    "skipped": "dim",
    "empty": "dim",
}


def _remember(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    # Read by the root command when an error passes through it.
    ctx.meta["netra.json"] = value
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_remember, help="Print JSON and nothing else."
)

#: How long a list is; nothing else is there to be asked for below 1.
limit_option = click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most."
)


#: Columns of a table that goes into a pipe: nothing is folded there.
_PIPE_WIDTH = 240


@cache
def stdout() -> Console:
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(highlight=False, width=width)


@cache
def stderr() -> Console:
    """For progress and remarks, so that standard output can be piped on."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One line of JSON on standard output, written through at once."""
    click.echo(msgspec.json.encode(value, enc_hook=str).decode())


def emit(value: T, as_json: bool, render: Callable[[T], Any]) -> None:
    """Prints `value` as JSON, or what `render` makes of it (anything that rich prints)."""
    if as_json:
        print_json(value)
    else:
        stdout().print(render(value))


def fail(error: NetraError, *, as_json: bool) -> int:
    """Prints an error where it is looked for; the exit code."""
    if as_json:
        print_json(
            {
                "type": TYPE_PREFIX + error.slug,
                "title": (type(error).__doc__ or "").strip(),
                "status": error.status,
                "detail": error.detail,
                "errors": error.errors,
            }
        )
    message = Text("error: ", style="bold red")
    message.append(str(error), style="default not bold")
    stderr().print(message, soft_wrap=True)
    if isinstance(error, OutcomeUnknown):
        return 4
    return 2 if isinstance(error, _WRONG_INPUT) else 1


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines; columns in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(
            name, justify="right" if name in right else "left", no_wrap=name in ("id", *right)
        )
    return made


def state(name: str) -> Text:
    return Text(name, style=STATE_STYLES.get(name, ""))


def count(n: int | None) -> str:
    return "–" if n is None else f"{n:,}"


def size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12.3 s`, `4 min 05 s`, `3 h 12 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from `start` to `end`, or to now; None if it has not started."""
    if start is None:
        return None
    return ((end or datetime.now(UTC)) - start).total_seconds()


def when(moment: datetime | UnsetType | None) -> str:
    if moment is None or moment is UNSET:
        return "–"
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
