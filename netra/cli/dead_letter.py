"""`netra dead-letter`: stages that were given up."""

from __future__ import annotations

from itertools import islice

import click
from rich.table import Table

from netra.cli import output
from netra.cli.connection import with_api
from netra.cli.output import emit, json_option, when
from netra.client import Netra
from netra.schemas.dead_letter import DeadLetter


@click.group("dead-letter")
def dead_letter() -> None:
    """Show and replay dead letters."""


@dead_letter.command("list")
@click.option("--limit", default=50, show_default=True, help="How many at most.")
@json_option
@with_api
def list_(limit: int, as_json: bool, netra: Netra) -> None:
    """List stages that were given up, newest first."""
    found = islice(netra.dead_letters.list(page_size=min(limit, 500)), limit)
    emit({"items": list(found)}, as_json, lambda page: _table(page["items"]))


@dead_letter.command()
@click.argument("id")
@json_option
@with_api
def replay(id: str, as_json: bool, netra: Netra) -> None:
    """Run the job of the dead letter ID again, from where it failed."""
    emit(netra.dead_letters.replay(id), as_json, lambda job: f"replayed: netra job follow {job.id}")


def _table(letters: list[DeadLetter]) -> Table | str:
    if not letters:
        return "no dead letters"
    shown = output.table("id", "agent", "job", "failures", "error", "given up", right=("failures",))
    for letter in letters:
        error = letter.error or {}
        shown.add_row(
            letter.id,
            letter.agent,
            letter.job_id,
            str(letter.attempts),
            f"{error.get('type', '')}: {error.get('message', '')}",
            when(letter.created_at) + (" (replayed)" if letter.replayed_at else ""),
        )
    return shown
