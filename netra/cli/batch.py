"""`netra batch`: many jobs at once. `scripts/enqueue_bulk.py` is `netra batch submit`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from threading import Event, Thread

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from netra.cli import output, progress
from netra.cli.connection import with_api
from netra.cli.output import count, emit, json_option, print_json, when
from netra.cli.watching import Watched, patiently
from netra.client import Netra, bulk, manifest
from netra.client.batch import CHUNK
from netra.client.bulk import Outcome
from netra.errors import InvalidInput, NetraError
from netra.schemas.batch import Batch

#: How often a followed batch is asked how far it is, seconds.
_LOOK_S = 0.5
#: Jobs exported in one call.
_EXPORTED = 200
#: Rejected rows that are shown one by one.
_SHOWN = 20


@click.group()
def batch() -> None:
    """Submit and follow many jobs at once."""


@batch.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="The batch's name; by default the manifest's, without its ending.")
@click.option("--skip-rejected", is_flag=True, help="Send the good rows even if others are not.")
@click.option(
    "--chunk", type=click.IntRange(1, CHUNK), default=CHUNK, show_default=True, help="Rows a call."
)
@click.option("--follow", "and_follow", is_flag=True, help="Follow the batch to its end.")
@json_option
@with_api
def submit(
    manifest: Path,
    name: str | None,
    skip_rejected: bool,
    chunk: int,
    and_follow: bool,
    as_json: bool,
    netra: Netra,
) -> None:
    """Submit the jobs in MANIFEST: .jsonl (a job a line), .csv (a job a row), .toml (a grid).

    All rows are checked before any is sent. A run that was interrupted, however it was, is
    resumed by running it again: no job is made twice.
    """
    outcome = _submit(netra, manifest, name, skip_rejected, chunk)
    if as_json:
        print_json(outcome)
    else:
        _print(outcome)
    if and_follow and outcome.batch:
        _follow(netra, outcome.batch.id, as_json)
    if outcome.rejected:
        sys.exit(2)


def _submit(netra: Netra, path: Path, name: str | None, skip_rejected: bool, chunk: int) -> Outcome:
    with output.stderr().status(f"checking {path.name}"):
        read = manifest.load(path, name)
    with progress.counted(f"submitting {read.name}", "jobs", len(read.rows)) as sent:
        return bulk.send(netra, read, skip_rejected=skip_rejected, chunk=chunk, progress=sent)


@batch.command("list")
@output.limit_option
@json_option
@with_api
def list_(limit: int, as_json: bool, netra: Netra) -> None:
    """List batches, newest first."""
    found = islice(netra.batches.list(page_size=min(limit, 500)), limit)
    emit({"items": list(found)}, as_json, lambda page: _table(page["items"]))


@batch.command()
@click.argument("batch")
@json_option
@with_api
def show(batch: str, as_json: bool, netra: Netra) -> None:
    """Show how far BATCH is."""
    emit(netra.batches.get(batch), as_json, _details)


@batch.command()
@click.argument("batch")
@json_option
@with_api
def follow(batch: str, as_json: bool, netra: Netra) -> None:
    """Follow BATCH until all its jobs have ended; the exit code is 0 if all succeed."""
    _follow(netra, batch, as_json)


@batch.command()
@click.argument("batch")
@json_option
@with_api
def cancel(batch: str, as_json: bool, netra: Netra) -> None:
    """Ask all jobs of BATCH that have not ended to stop."""
    with _watched(netra, batch):
        stopped = netra.batches.cancel(batch)
    emit(stopped, as_json, _details)


@batch.command()
@click.argument("batch")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@with_api
def export(batch: str, out: Path | None, netra: Netra) -> None:
    """Write a line of JSON for each job of BATCH: how it ended, and what it answered."""
    found = netra.batches.results(batch, page_size=_EXPORTED)
    if out is None:
        for result in found:
            click.echo(msgspec.json.encode(result))
        return
    total = netra.batches.get(batch).total
    try:
        with out.open("wb") as file, progress.counted(f"writing {out}", "jobs", total) as written:
            for result in found:
                file.write(msgspec.json.encode(result) + b"\n")
                written(1)
    except OSError as e:
        raise InvalidInput(f"cannot write {out}: {e.strerror}") from e


def _follow(netra: Netra, batch_id: str, as_json: bool) -> None:
    with patiently(netra, Watched("batch", batch_id)):
        found = _follow_json(netra, batch_id) if as_json else _follow_bar(netra, batch_id)
    if found.states.get("succeeded", 0) < found.total:
        sys.exit(1)


def _follow_json(netra: Netra, batch_id: str) -> Batch:
    """A line whenever something has changed."""
    printed: Batch | None = None
    while True:
        found = netra.batches.get(batch_id)
        if found != printed:
            print_json(found)
            printed = found
        if found.finished >= found.total:
            return found
        time.sleep(_LOOK_S)


def _follow_bar(netra: Netra, batch_id: str) -> Batch:
    found = netra.batches.get(batch_id)
    done = 0
    with progress.counted(found.name, "jobs ended", found.total) as ended:
        while True:
            ended(found.finished - done)
            done = found.finished
            if done >= found.total:
                break
            time.sleep(_LOOK_S)
            found = netra.batches.get(batch_id)
    output.stdout().print(_details(found))
    return found


@contextmanager
def _watched(netra: Netra, batch_id: str) -> Iterator[None]:
    """Shows how many of the batch's jobs have ended while a call that stops them is waited for.

    The call itself stays where Ctrl-C reaches it; another thread looks meanwhile.
    """
    if not output.stderr().is_terminal:
        yield
        return
    found = netra.batches.get(batch_id)
    over = Event()

    def look(ended: Callable[[int], None], done: int = 0) -> None:
        # What a look cannot say, the call that is waited for will.
        with suppress(NetraError):
            while True:
                now = netra.batches.get(batch_id).finished
                ended(now - done)
                done = now
                if over.wait(_LOOK_S):
                    return

    with progress.counted(f"stopping {found.name}", "jobs ended", found.total) as ended:
        looking = Thread(target=look, args=(ended,), daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            # A look that waits for an API that is away is not waited for.
            looking.join(timeout=1.0)


def _print(outcome: Outcome) -> None:
    console = output.stdout()
    said = f"{count(outcome.created)} jobs created, {count(outcome.existing)} already there"
    if outcome.rejected:
        said += f", {count(len(outcome.rejected))} rejected"
    if outcome.unsent:
        said += f", {count(outcome.unsent)} not sent"
    console.print(said)
    for rejected in outcome.rejected[:_SHOWN]:
        console.print(Text(f"{rejected.where}: {rejected.detail}", style="red"))
        for p in rejected.errors:
            console.print(Text(f"    {p}"))
    if len(outcome.rejected) > _SHOWN:
        console.print(f"… and {len(outcome.rejected) - _SHOWN} more (--json shows all)")
    if outcome.batch:
        hint = f"follow them: netra batch follow {outcome.batch.id}"
        output.stderr().print(hint, style="dim")
    elif outcome.rejected:
        hint = "nothing was sent; mend the rows, or leave them out with --skip-rejected"
        output.stderr().print(hint, style="dim")


def _table(batches: list[Batch]) -> Table | str:
    if not batches:
        return "no batches yet: netra batch submit MANIFEST"
    shown = output.table(
        "id", "name", "ended", "jobs", "states", "created", right=("ended", "jobs")
    )
    for b in batches:
        shown.add_row(
            b.id, b.name, count(b.finished), count(b.total), _states(b), when(b.created_at)
        )
    return shown


def _states(b: Batch) -> Text:
    parts: list[Text] = []
    for name, number in b.states.items():
        parts.append(Text.assemble(f"{number:,} ", output.state(name)))
    return Text(", ").join(parts)


def _details(b: Batch) -> Group:
    # Rounded down: nothing is 100% while a job still runs.
    share = f" ({100 * b.finished // b.total}%)" if b.total else ""
    return Group(
        Text.assemble(("batch ", "dim"), b.name, "  ", (b.id, "dim")),
        Text.assemble(
            f"{count(b.finished)} of {count(b.total)} jobs have ended{share}: ", _states(b)
        ),
    )
