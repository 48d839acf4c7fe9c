"""What is known of a job while it is followed, and how it looks on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from msgspec import UNSET
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from netra.cli.output import duration, state
from netra.client.follow import Event
from netra.schemas.job import Job
from netra.schemas.progress import Fact, Tick

_MARKS = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("–", "yellow"),
    "skipped": ("–", "dim"),
    "retried": ("↻", "yellow"),
}
_ENDED = ("succeeded", "failed", "cancelled", "skipped")


@dataclass
class StageRow:
    """One stage, and the parts that it fanned out into."""

    name: str
    state: str = "blocked"
    fraction: float = 0.0
    message: str = ""
    started: float | None = None
    seconds: float | None = None
    attempt: int = 1
    #: States of the stages that this one inserted, by name.
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def parts_ended(self) -> int:
        return sum(part in _ENDED for part in self.parts.values())

    @property
    def running(self) -> bool:
        return self.state == "running" or self.parts_ended < len(self.parts)


class JobView:
    """Folds facts and ticks into rows."""

    def __init__(self, job: Job, now: Callable[[], float] = time.monotonic) -> None:
        self.job_id = job.id
        self.state = job.state
        self.now = now
        stages = () if job.stages is UNSET else job.stages
        self.rows: dict[str, StageRow] = {}
        # A stage that was inserted by fan-out is named after the one that did it.
        for stage in sorted(stages, key=lambda s: "." in s.name):
            row, part = self._row(stage.name)
            if part:
                row.parts[part] = stage.state
            else:
                row.state, row.attempt = stage.state, stage.attempt
                if stage.started_at and stage.finished_at:
                    row.seconds = (stage.finished_at - stage.started_at).total_seconds()

    def fold(self, event: Event) -> None:
        if isinstance(event, Tick):
            self._tick(event)
        elif event.stage is None:
            self._job_fact(event)
        else:
            self._stage_fact(event, event.stage)

    def _row(self, stage: str) -> tuple[StageRow, str]:
        parent, _, part = stage.partition(".")
        if part and parent in self.rows:
            return self.rows[parent], part
        return self.rows.setdefault(stage, StageRow(stage)), ""

    def _tick(self, tick: Tick) -> None:
        row, part = self._row(tick.stage)
        if not part:
            row.fraction = tick.fraction
        row.message = tick.message

    def _job_fact(self, fact: Fact) -> None:
        self.state = fact.kind.removeprefix("job.").replace("started", "running")
        if self.state in _ENDED:
            for row in self.rows.values():
                if row.state not in _ENDED:
                    row.state = "skipped"

    def _stage_fact(self, fact: Fact, stage: str) -> None:
        row, part = self._row(stage)
        became = fact.kind.removeprefix("stage.").replace("started", "running")
        if part:
            row.parts[part] = became
            return
        row.state = became
        row.attempt = fact.payload.get("attempt", row.attempt)
        if became == "running":
            row.started, row.fraction, row.message = self.now(), 0.0, ""
        elif became in _ENDED:
            row.seconds = fact.payload.get("seconds", row.seconds)
            row.message = (fact.payload.get("error") or {}).get("message", "")
        elif became == "retried":
            row.message = (
                f"again in {fact.payload.get('delay_s', 0)} s: {fact.payload.get('reason')}"
            )

    def __rich__(self) -> Group:
        grid = Table.grid(padding=(0, 2))
        for row in self.rows.values():
            grid.add_row(
                self._mark(row), row.name, self._bar(row), self._time(row), self._note(row)
            )
        return Group(grid) if self.state in _ENDED else Group(grid, self._line())

    def _line(self) -> Text:
        return Text.assemble(("job ", "dim"), self.job_id, "  ", state(self.state))

    def _mark(self, row: StageRow) -> Text | Spinner:
        if row.running:
            return Spinner("dots", style="cyan")
        return Text(*_MARKS.get(row.state, ("·", "dim")))

    def _bar(self, row: StageRow) -> ProgressBar:
        done = 1.0 if row.state == "succeeded" else row.fraction
        if row.parts:
            done = row.parts_ended / len(row.parts)
        return ProgressBar(total=1.0, completed=done, width=24)

    def _time(self, row: StageRow) -> Text:
        seconds = row.seconds
        if seconds is None and row.running and row.started is not None:
            seconds = self.now() - row.started
        return Text("" if seconds is None else duration(seconds), style="dim", justify="right")

    def _note(self, row: StageRow) -> Text:
        note = row.message if row.state != "succeeded" else ""
        if row.parts:
            note = f"{row.parts_ended} of {len(row.parts)} parts"
        if row.attempt > 1:
            note = f"attempt {row.attempt}  {note}"
        style = "red" if row.state == "failed" else "dim"
        return Text(note, style=style, no_wrap=True, overflow="ellipsis")


def failures(job: Job) -> Iterable[str]:
    """A line for each stage that failed."""
    for stage in () if job.stages is UNSET else job.stages:
        if stage.state == "failed" and stage.error:
            yield f"{stage.name}: {stage.error.get('type')}: {stage.error.get('message')}"
