"""What `netra up` shows while it runs: the processes as they start, and deaths as they happen."""

from __future__ import annotations

import signal

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from netra.cli.output import table
from netra.embedded.child import Child, State
from netra.embedded.home import Home

_STYLES = {
    State.STARTING: "cyan",
    State.RUNNING: "green",
    State.DONE: "green",
    State.FAILED: "red",
    State.WAITING: "yellow",
    State.STOPPED: "dim",
}


class Display:
    """A table that fills while the stack starts; after that, lines about what changes.

    `changed` is called by the supervisor's thread, everything else by the command's.
    """

    def __init__(self, console: Console, home: Home) -> None:
        self._console = console
        self._home = home
        self._rows: dict[str, tuple[Text, Text]] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8)
        self._starting = console.is_terminal

    def __enter__(self) -> Display:
        self._console.print(f"starting the stack in {self._home.path}")
        if self._starting:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_table()

    def ready(self, places: RenderableType) -> None:
        """The stack is up: prints where things are, and how to end it."""
        self._end_table()
        self._console.print(places)
        self._console.print("Ctrl-C stops it.")

    def changed(self, child: Child) -> None:
        c = child.component
        where = f"127.0.0.1:{c.port}" if c.port else ""
        state = Text(child.state.value, style=_STYLES[child.state])
        self._rows[c.name] = (state, Text(where, style="dim"))
        if child.state is State.WAITING and child.exit_code is not None:
            self._console.print(_death(child))
        elif not self._starting and not (child.state is State.STARTING and not child.restarts):
            self._console.print(Text(f"{c.name:<12}"), state, where)

    def _table(self) -> Table:
        rows = table("process", "state", "address")
        for name, (state, where) in list(self._rows.items()):
            rows.add_row(name, state, where)
        return rows

    def _end_table(self) -> None:
        if self._starting:
            self._starting = False
            self._live.stop()


def _death(child: Child) -> Text:
    code = child.exit_code or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    text = Text(f"{child.component.name} {how}; it is started again. Its last words:\n", "yellow")
    text.append("\n".join(f"  {line}" for line in child.last_lines(6).splitlines()), "dim")
    return text
