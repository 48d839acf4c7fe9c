"""Following a job at the terminal: a live table, plain lines into a pipe, or lines of JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.live import Live
from rich.text import Text

from netra.cli import output
from netra.cli.job_view import JobView, failures
from netra.cli.output import between, duration, print_json
from netra.cli.watching import Watched, patiently
from netra.client import Netra, Position
from netra.client.follow import Event
from netra.schemas.job import Job
from netra.schemas.progress import Fact


def follow(netra: Netra, job_id: str, *, as_json: bool, watched: Watched | None = None) -> Job:
    """Shows the job's facts and ticks until it has ended, and returns it as it ended."""
    watched = watched or Watched("job", job_id)
    events = watched.noting(netra.jobs.follow(job_id, after=watched.after))
    if as_json:
        for event in events:
            print_json(event)
        return netra.jobs.get(job_id)
    if _is_live(as_json):
        _live(JobView(netra.jobs.get(job_id)), events)
    else:
        _lines(events)
    job = netra.jobs.get(job_id)
    _ending(job)
    return job


def follow_and_exit(
    netra: Netra, job_id: str, *, as_json: bool, after: Position | None = None
) -> None:
    """As `follow`, for a command that ends with it: the exit code is 0 if the job succeeded.

    Raises:
        OutcomeUnknown: the API went away for too long.
    """
    watched = Watched("job", job_id, after)
    with patiently(netra, watched, output.stdout() if _is_live(as_json) else None):
        job = follow(netra, job_id, as_json=as_json, watched=watched)
    if job.state != "succeeded":
        sys.exit(1)


def _is_live(as_json: bool) -> bool:
    """Whether a table is redrawn in place, on standard output."""
    return output.stdout().is_terminal and not as_json


def _live(view: JobView, events: Iterator[Event]) -> None:
    with Live(view, console=output.stdout(), refresh_per_second=10):
        for event in events:
            view.fold(event)


def _lines(events: Iterator[Event]) -> None:
    for event in events:
        if isinstance(event, Fact):
            line = f"{event.ts:%H:%M:%S} {event.kind} {event.stage or ''}".rstrip()
            output.stdout().print(line, markup=False)


def _ending(job: Job) -> None:
    took = between(job.started_at, job.finished_at)
    said = Text.assemble(f"job {job.id} ", output.state(job.state), f" in {duration(took)}")
    if job.stop_reason and job.state != "succeeded":
        said.append(f" ({job.stop_reason})")
    output.stdout().print(said)
    for line in failures(job):
        output.stdout().print(Text("  " + line, style="red"))
