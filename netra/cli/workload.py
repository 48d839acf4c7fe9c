"""`netra workload`: bring events in, and look after them."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from pathlib import Path

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from netra.cli import output, progress
from netra.cli.connection import with_api
from netra.cli.output import count, emit, json_option, when
from netra.cli.values import Moment
from netra.client import Netra
from netra.errors import InvalidInput
from netra.schemas.workload import DEMAND_PREFIX, IngestSummary, Workload, WorkloadAnswer

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _source_options(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option("--format", help="The file's format; detected when not given.")(command)
    return click.option(
        "--start",
        type=Moment(),
        help="When a trace with relative times began; without it, no calendar is claimed.",
    )(command)


@click.group()
def workload() -> None:
    """Import and look after workloads."""


@workload.command("import")
@click.argument("file", type=_FILE)
@click.option("--name", help="The workload's name; by default the file's, without its ending.")
@_source_options
@json_option
@with_api
def import_(
    file: Path,
    name: str | None,
    format: str | None,
    start: datetime | None,
    as_json: bool,
    netra: Netra,
) -> None:
    """Make a new workload of the events in FILE."""
    with progress.upload(file.name) as sent:
        answer = netra.workloads.create(file, name=name, format=format, start=start, progress=sent)
    emit(answer, as_json, _answer)


@workload.command()
@click.argument("workload")
@click.argument("file", type=_FILE)
@_source_options
@json_option
@with_api
def append(
    workload: str,
    file: Path,
    format: str | None,
    start: datetime | None,
    as_json: bool,
    netra: Netra,
) -> None:
    """Add the events in FILE to WORKLOAD; those that it has already are passed over."""
    found = netra.workloads.get(workload)
    with progress.upload(file.name) as sent:
        answer = netra.workloads.append(found.id, file, format=format, start=start, progress=sent)
    emit(answer, as_json, _answer)


@workload.command("list")
@output.limit_option
@json_option
@with_api
def list_(limit: int, as_json: bool, netra: Netra) -> None:
    """List workloads, newest first."""
    found = islice(netra.workloads.list(page_size=min(limit, 500)), limit)
    emit({"items": list(found)}, as_json, lambda page: _table(page["items"]))


@workload.command()
@click.argument("workload")
@json_option
@with_api
def show(workload: str, as_json: bool, netra: Netra) -> None:
    """Show WORKLOAD (its id or name) and what filled it."""
    emit(netra.workloads.get(workload), as_json, _details)


@workload.command()
@click.argument("workload")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_api
def delete(workload: str, yes: bool, as_json: bool, netra: Netra) -> None:
    """Delete WORKLOAD and its events."""
    found = netra.workloads.get(workload)
    if not (yes or as_json):
        click.confirm(
            f"delete workload {found.name!r} with {_held(found)}?",
            abort=True,
            err=True,
        )
    netra.workloads.delete(found.id)
    emit({"deleted": found.id}, as_json, lambda _: f"deleted {found.name} ({found.id})")


@workload.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--events", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--days", type=click.IntRange(min=1), default=28, show_default=True)
@json_option
def generate(out: Path, events: int, seed: int, days: int, as_json: bool) -> None:
    """Write a made-up workload with known facts to OUT (.parquet, .csv or .jsonl)."""
    from netra.ingest import generate as generator

    with output.stderr().status(f"generating {count(events)} events"):
        try:
            truth = generator.write(out, events, seed, days)
        except OSError as e:
            raise InvalidInput(f"cannot write {out}: {e.strerror or e}") from e
    made = {"path": str(out), "events": events, "planted": truth}
    emit(made, as_json, lambda _: f"wrote {count(events)} events of {days} days to {out}")


def _answer(answer: WorkloadAnswer) -> Group:
    return Group(_ingested(answer.workload, answer.ingest), _details(answer.workload))


def _ingested(workload: Workload, ingest: IngestSummary | None) -> Text:
    if ingest is None:
        return Text(f"workload {workload.name!r} is empty")
    if ingest.repeated:
        return Text(f"the workload has exactly these {_kind(ingest)} already; nothing changed")
    said = f"{count(ingest.events)} new {_kind(ingest)} from {count(ingest.rows)} rows"
    if ingest.format:
        said += f", read as {ingest.format}"
    if ingest.duplicates:
        said += f"; {count(ingest.duplicates)} were there already"
    return Text(said)


def _kind(ingest: IngestSummary) -> str:
    """What its rows are: requests, or points of a demand series."""
    return "points" if (ingest.format or "").startswith(DEMAND_PREFIX) else "events"


def _held(workload: Workload) -> str:
    points = f" and {count(workload.points)} points" if workload.points else ""
    return f"{count(workload.events)} events{points}"


def _table(workloads: list[Workload]) -> Table | str:
    if not workloads:
        return "no workloads yet: netra workload import FILE"
    points = ["points"] if any(w.points for w in workloads) else []
    columns = ("id", "name", "state", "events", *points, "from", "to")
    shown = output.table(*columns, right=("events", "points"))
    for w in workloads:
        counts = (count(w.events), *(count(w.points) for _ in points))
        shown.add_row(w.id, w.name, output.state(w.state), *counts, *_span(w))
    return shown


def _span(w: Workload) -> tuple[str, str]:
    if w.anchored is False and w.min_ts and w.max_ts:
        return "unanchored", f"+{output.duration((w.max_ts - w.min_ts).total_seconds())}"
    return when(w.min_ts), when(w.max_ts)


def _details(w: Workload) -> Group:
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("id", w.id),
        ("name", w.name),
        ("state", output.state(w.state)),
        ("events", count(w.events)),
        *([("points", count(w.points))] if w.points else []),
        ("time", " → ".join(_span(w))),
        ("created", when(w.created_at)),
    ):
        facts.add_row(Text(name, style="dim"), value)
    if not w.ingests:
        return Group(facts)
    shown = output.table(
        "ingest",
        "state",
        "source",
        "format",
        "rows",
        "events",
        "duplicates",
        right=("rows", "events", "duplicates"),
    )
    for i in w.ingests:
        shown.add_row(
            i.id,
            output.state(i.state),
            i.source_name,
            i.format or "–",
            count(i.rows),
            count(i.events),
            count(i.duplicates),
        )
    return Group(facts, "", shown)
