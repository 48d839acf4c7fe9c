"""`netra analyze`: one agent on one file, in this process, with no stack."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from netra.agents.base import Inputs, QuietContext, WorkloadInfo
from netra.agents.loading import load_agent
from netra.agents.seeding import seed_of
from netra.catalog import agents
from netra.catalog.supply import SupplyCatalog
from netra.cli import output
from netra.cli.finding_file import renderer_of, write_finding
from netra.cli.output import emit, json_option
from netra.cli.param_files import from_files
from netra.cli.section_view import render_finding
from netra.cli.values import Moment, value
from netra.errors import InsufficientData, InvalidInput, Problem
from netra.gpu_profiles.lazily import InstalledProfiles
from netra.schemas.goal import Goal

if TYPE_CHECKING:
    from netra.catalog.agent import AgentSpec

#: Shorter waits show no progress.
_PATIENCE_S = 2.0


@click.command()
@click.argument("agent")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; repeatable."
)
@click.option("--format", "trace_format", help="The file's format; by default it is detected.")
@click.option("--start", type=Moment(), help="When a trace with relative times began.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what was found to this file, with charts: .html, .md or .json.",
)
@json_option
def analyze(
    agent: str,
    file: Path,
    params: tuple[str, ...],
    trace_format: str | None,
    start: datetime | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run AGENT on the events in FILE, in this process: nothing has to run, nothing is stored.

    Example: netra analyze caching trace.jsonl --param capacities=1000,10000 --json

    Where a parameter is a JSON object or a trace (in a job, given inline), name a file that holds
    it: netra analyze serving-fit run.jsonl --param meta=run.meta.json --param gpu=h100
    """
    if out is not None:
        renderer_of(out)  # a file that cannot be written is said before, not after, the work
    spec = agents.get(agent)
    parsed = spec.parse_params(from_files(spec, _named(params, spec.params.files())))
    with _waiting(f"reading {file.name}") as context:
        inputs = _inputs(spec, file, trace_format, start)
        context.task = f"{agent} on {file.name}"
        # As a job's stage draws: both say the same of the same file.
        context.seed = seed_of(spec.name, msgspec.to_builtins(parsed))
        context.progress(0.0)
        try:
            content = load_agent(spec)(inputs, parsed, context).content
        except InsufficientData as e:
            content = {"status": "insufficient_data", "detail": e.detail, "needs": e.needs}
    if out is not None:
        write_finding(out, agent, file.name, content)
    emit(content, as_json, render_finding)


#: What the `netra` command finds here.
commands = (analyze,)


def _named(given: Iterable[str], files: Container[str] = ()) -> dict[str, Any]:
    """`capacities=1000,10000` → `{"capacities": [1000, 10000]}`; names of `files` stay text."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not (name and equals):
            expected = "NAME=VALUE, e.g. capacities=1000,10000"
            problem = Problem(
                where="--param", problem="not understood", got=text, expected=expected
            )
            raise InvalidInput(f"--param {text!r} is not understood", [problem])
        found[name] = rest if name in files else value(rest)
    return found


def _say_repeated(rows: int, what: str = "event_id") -> None:
    said = "row repeats" if rows == 1 else "rows repeat"
    output.stderr().print(
        f"note: {output.count(rows)} {said} the {what} of an earlier row and"
        f" {'was' if rows == 1 else 'were'} left out, as an import would"
    )


def _inputs(
    spec: AgentSpec, file: Path, trace_format: str | None, start: datetime | None
) -> Inputs:
    # Imported late: reading needs pyarrow, and `--help` does not.
    from netra.ingest.read import demand, events, looked_at

    if looked_at(file, trace_format, start).kind == "demand":
        if not spec.reads_demand:
            raise InvalidInput(
                f"agent {spec.name!r} reads requests, and {file.name} is a demand series",
                [Problem(where="FILE", problem="holds rates, no requests", got=file.name)],
            )
        series, points = demand(
            file, trace_format, start, repeated=lambda n: _say_repeated(n, "series and time")
        )
        return Inputs(
            job_id="",
            workload=WorkloadInfo(id=file.name, name=file.name, anchored=series.anchored, events=0),
            goal=Goal(),
            events=lambda: iter(()),
            demand=points,
            supply=SupplyCatalog(),
        )
    # The noop reads nothing; anything else gets at least the time.
    columns = spec.columns or ("ts",)
    info, count, stream = events(
        file, columns, trace_format, start, lenient=spec.lenient, repeated=_say_repeated
    )
    return Inputs(
        job_id="",
        workload=WorkloadInfo(id=file.name, name=file.name, anchored=info.anchored, events=count),
        goal=Goal(),
        events=stream,
        supply=SupplyCatalog(),
        profiles=InstalledProfiles(),
    )


@dataclass
class _ShownContext(QuietContext):
    """Shows progress on standard error."""

    bar: Progress = field(default_factory=Progress)
    #: What is being done.
    task: str = ""

    def progress(self, fraction: float, message: str = "") -> None:
        description = f"{self.task}: {message}" if message else self.task
        self.bar.update(self.bar.task_ids[0], total=1.0, completed=fraction)
        self.bar.update(self.bar.task_ids[0], description=description)


@contextmanager
def _waiting(description: str) -> Iterator[_ShownContext]:
    """A context whose progress is seen once it takes longer than a moment, on a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = output.stderr()
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    bar.add_task(description, total=None)
    timer = Timer(_PATIENCE_S, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield _ShownContext(bar=bar)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
