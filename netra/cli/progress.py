"""Progress bars, on standard error, and only where somebody sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from netra.cli.output import stderr


def _bar(*columns: ProgressColumn) -> Progress:
    console = stderr()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def upload(name: str) -> Iterator[Callable[[int, int], None]]:
    """Shows bytes going out, then that the events are being stored; yields what to tell them to."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with _bar(*columns) as bar:
        task = bar.add_task(f"uploading {name}", total=None)

        def sent(done: int, total: int) -> None:
            if done < total:
                bar.update(task, completed=done, total=total)
            else:
                # All is sent; the answer comes when the events are in, which has no measure.
                bar.update(task, description=f"storing events of {name}", total=None)

        yield sent


@contextmanager
def counted(description: str, unit: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how many of `total` are done; yields what to tell how many more are."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with _bar(*columns) as bar:
        task = bar.add_task(description, total=total)
        yield lambda n: bar.advance(task, n)
