"""Whoever watches at a terminal: patient through a restart, told of it, and told how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Console
from rich.text import Text

from netra.cli import output
from netra.cli.output import OutcomeUnknown
from netra.client import Netra, Position, Unreachable
from netra.client.follow import Event
from netra.errors import StoreUnavailable
from netra.schemas.progress import Fact

#: A stack that is stopped and started again is back in 10 to 20 s; a slow machine takes longer.
_PATIENCE_S = 60.0


@dataclass
class Watched:
    """What is followed, and how far that has come."""

    noun: Literal["job", "batch"]
    id: str
    after: Position | None = None

    @property
    def again(self) -> str:
        """The command that goes on from here."""
        command = f"netra {self.noun} follow {self.id}"
        if self.after is None:
            return command
        return f"{command} --after {self.after.epoch}-{self.after.seq}"

    def noting(self, events: Iterator[Event]) -> Iterator[Event]:
        """The same events; each fact moves the position once it has been shown."""
        for event in events:
            yield event
            if isinstance(event, Fact):
                self.after = Position.of(event)


@contextmanager
def patiently(netra: Netra, watched: Watched, console: Console | None = None) -> Iterator[None]:
    """Has `netra` wait for an API that restarts, and say so on standard error.

    A display that is redrawn in place needs what is said on its own `console`, which puts lines
    above it; any other would write into it.

    An API that does not answer at all is waited for no longer than by other commands, and nothing
    is said of what it might hold.

    Raises:
        OutcomeUnknown: it did not come back in time.
    """
    known = netra.jobs if watched.noun == "job" else netra.batches
    known.get(watched.id)
    usual = netra.retry
    netra.retry = replace(usual, patience_s=_PATIENCE_S, told=_Notice(console or output.stderr()))
    try:
        yield
    except (Unreachable, StoreUnavailable) as e:
        raise OutcomeUnknown(
            f"gave up: {e.detail}\n"
            f"The {watched.noun} goes on without its follower; to follow it further: "
            f"{watched.again}"
        ) from e
    except KeyboardInterrupt:
        _say(f"the {watched.noun} goes on; follow it again: {watched.again}", output.stderr())
        raise
    finally:
        netra.retry = usual


class _Notice:
    """Says once what went wrong, and once that there is an answer again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lost = False

    def __call__(self, problem: str | None) -> None:
        lost = problem is not None
        if lost and not self._lost:
            _say(f"{problem}; trying again for up to {_PATIENCE_S:g} s", self._console)
        elif self._lost and not lost:
            _say("answered again", self._console)
        self._lost = lost


def _say(line: str, console: Console) -> None:
    # As text: what stands in brackets is not markup.
    console.print(Text(line, style="dim"), soft_wrap=True)
