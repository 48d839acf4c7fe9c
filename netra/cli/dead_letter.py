"""`netra dead-letter`: stages that were given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from itertools import islice
from typing import Any

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from netra.cli import output
from netra.cli.connection import with_api
from netra.cli.output import emit, json_option, when
from netra.client import Netra
from netra.schemas.dead_letter import DeadLetter, Refused, ReplayAnswer, ReplayRequest

#: Jobs that do not run again, shown one by one.
_SHOWN = 20


@click.group("dead-letter")
def dead_letter() -> None:
    """List, show and replay dead letters."""


_FILTERS = (
    click.option("--agent", help="Only letters of this agent."),
    click.option("--error-type", help="Only letters with this type of error, e.g. TimeLimit."),
    click.option("--job", "job_id", help="Only letters of this job."),
    click.option("--batch", "batch_id", help="Only letters of this batch's jobs."),
    click.option("--since", type=click.DateTime(), help="Only letters given up since then, UTC."),
    click.option("--until", type=click.DateTime(), help="Only letters given up before then, UTC."),
)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which letters; a list and a replay have the same."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    """The filters that were given, times as what they are: UTC."""
    given = {name: value for name, value in wanted.items() if value is not None}
    for name in ("since", "until"):
        if name in given:
            given[name] = given[name].replace(tzinfo=UTC)
    return given


@dead_letter.command("list")
@_filtered
@output.limit_option
@json_option
@with_api
def list_(limit: int, as_json: bool, netra: Netra, **wanted: Any) -> None:
    """List stages that were given up, replayed or not, newest first.

    Attempts are those of all epochs; what an error's message counts began anew with the last
    replay.
    """
    found = netra.dead_letters.list(page_size=min(limit, 500), **_given(wanted))
    emit({"items": list(islice(found, limit))}, as_json, lambda page: _table(page["items"]))


@dead_letter.command()
@click.argument("id")
@json_option
@with_api
def show(id: str, as_json: bool, netra: Netra) -> None:
    """Show the dead letter ID: its whole error, what the stage was given, and how to replay it."""
    emit(netra.dead_letters.get(id), as_json, _details)


@dead_letter.command()
@click.argument("id", required=False)
@click.option("--all", "everything", is_flag=True, help="Replay all, or all that the filter names.")
@_filtered
@json_option
@with_api
def replay(id: str | None, everything: bool, as_json: bool, netra: Netra, **wanted: Any) -> None:
    """Run the job of the dead letter ID again, from where it failed; or, with --all, of many."""
    given = _given(wanted)
    if bool(id) == everything or (id and given):
        raise click.UsageError("give either an ID, or --all with or without a filter")
    if id:
        again = netra.dead_letters.replay(id)
        emit(again, as_json, lambda job: f"replayed: netra job follow {job.id}")
        return
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
    shown = output.table("id", "agent", "job", "attempts", "error", "given up", right=("attempts",))
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


def _details(letter: DeadLetter) -> Group:
    error = letter.error or {}
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("id", letter.id),
        ("agent", letter.agent),
        ("job", letter.job_id),
        ("given up", when(letter.created_at)),
        ("replayed", when(letter.replayed_at) if letter.replayed_at else None),
        ("attempts", f"{output.count(letter.attempts)} in all, earlier epochs included"),
        ("leases lost", f"{output.count(letter.lost)} in the epoch that was given up"),
    ):
        if value is not None:
            facts.add_row(Text(name, style="dim"), value)
    params = msgspec.json.format(msgspec.json.encode(letter.params)).decode()
    again = (
        f"netra job show {letter.job_id}"
        if letter.replayed_at
        else f"replay it: netra dead-letter replay {letter.id}"
    )
    return Group(
        facts,
        "",
        Text(f"{error.get('type', 'no error')}: {error.get('message', 'none was kept')}", "red"),
        Text(str(error.get("traceback") or "(no traceback: the agent raised nothing)")),
        "",
        Text("params", "dim"),
        Text(params),
        "",
        Text(again, "dim"),
    )
