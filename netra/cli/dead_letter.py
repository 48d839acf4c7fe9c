"""`netra dead-letter`: stages that were given up."""

from __future__ import annotations

from datetime import UTC
from itertools import islice
from typing import Any

import click
from rich.table import Table

from netra.cli import output
from netra.cli.connection import with_api
from netra.cli.output import emit, json_option, when
from netra.client import Netra
from netra.schemas.dead_letter import DeadLetter, Refused, ReplayAnswer, ReplayRequest

#: Jobs that do not run again, shown one by one.
_SHOWN = 20


@click.group("dead-letter")
def dead_letter() -> None:
    """Show and replay dead letters."""


@dead_letter.command("list")
@output.limit_option
@json_option
@with_api
def list_(limit: int, as_json: bool, netra: Netra) -> None:
    """List stages that were given up, newest first."""
    found = islice(netra.dead_letters.list(page_size=min(limit, 500)), limit)
    emit({"items": list(found)}, as_json, lambda page: _table(page["items"]))


@dead_letter.command()
@click.argument("id", required=False)
@click.option("--all", "everything", is_flag=True, help="Replay all, or all that the filter names.")
@click.option("--agent", help="Only letters of this agent.")
@click.option("--error-type", help="Only letters with this type of error, e.g. TimeLimit.")
@click.option("--job", "job_id", help="Only letters of this job.")
@click.option("--batch", "batch_id", help="Only letters of this batch's jobs.")
@click.option("--since", type=click.DateTime(), help="Only letters given up since then, UTC.")
@click.option("--until", type=click.DateTime(), help="Only letters given up before then, UTC.")
@json_option
@with_api
def replay(id: str | None, everything: bool, as_json: bool, netra: Netra, **wanted: Any) -> None:
    """Run the job of the dead letter ID again, from where it failed; or, with --all, of many."""
    given = {name: value for name, value in wanted.items() if value is not None}
    if bool(id) == everything or (id and given):
        raise click.UsageError("give either an ID, or --all with or without a filter")
    if id:
        again = netra.dead_letters.replay(id)
        emit(again, as_json, lambda job: f"replayed: netra job follow {job.id}")
        return
    for name in ("since", "until"):
        if name in given:
            given[name] = given[name].replace(tzinfo=UTC)
    emit(_replay_all(netra, ReplayRequest(**given)), as_json, _replayed)


def _replay_all(netra: Netra, wanted: ReplayRequest) -> ReplayAnswer:
    jobs: list[str] = []
    # By job: one that is refused may be met again in the next call.
    refused: dict[str, Refused] = {}
    while True:
        answer = netra.dead_letters.replay_all(wanted)
        jobs += answer.jobs
        refused |= {r.job_id: r for r in answer.refused}
        if not answer.more:
            left = tuple(r for r in refused.values() if r.job_id not in set(jobs))
            return ReplayAnswer(jobs=tuple(jobs), refused=left, more=False)


def _replayed(answer: ReplayAnswer) -> str:
    lines = [f"{output.count(len(answer.jobs))} jobs run again by this call"]
    if answer.refused:
        lines[0] += f", {output.count(len(answer.refused))} do not"
    lines += [f"job {r.job_id}: {r.detail}" for r in answer.refused[:_SHOWN]]
    if len(answer.refused) > _SHOWN:
        lines.append(f"… and {len(answer.refused) - _SHOWN:,} more (--json shows all)")
    return "\n".join(lines)


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
