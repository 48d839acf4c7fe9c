"""`netra job`: submit, follow and look after jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
from msgspec import UNSET
from rich.console import Group
from rich.table import Table
from rich.text import Text

from netra.cli import following, output, values
from netra.cli.connection import with_api
from netra.cli.job_view import failures
from netra.cli.output import between, duration, emit, json_option, print_json, when
from netra.client import Netra, Position
from netra.client.manifest import job_request
from netra.schemas.job import JOB_STATES, Job

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group()
def job() -> None:
    """Submit, follow and look after jobs."""


@job.command()
@click.option("--workload", help="The id or name of the workload.")
@click.option("--goal", help='What to reach, e.g. "Cut cost by 20 % at equal quality".')
@click.option("--pipeline", help="A named pipeline; by default the goal chooses the agents.")
@click.option("--param", "params", multiple=True, metavar="AGENT.NAME=VALUE")
@click.option("--priority", type=click.IntRange(0, 9), help="9 goes first. [default: 5]")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE")
@click.option("--deadline", type=values.Moment(), help="The job is stopped if it runs longer.")
@click.option("--stages", type=_FILE, help="JSON file with an explicit DAG.")
@click.option("--body", type=_FILE, help="JSON file with the whole job; options go over it.")
@click.option("--key", help="Idempotency key: the same key again answers with the first job.")
@click.option("--follow", "and_follow", is_flag=True, help="Follow the job to its end.")
@json_option
@with_api
def submit(
    workload: str | None,
    goal: str | None,
    pipeline: str | None,
    params: tuple[str, ...],
    priority: int | None,
    labels: tuple[str, ...],
    deadline: datetime | None,
    stages: Path | None,
    body: Path | None,
    key: str | None,
    and_follow: bool,
    as_json: bool,
    netra: Netra,
) -> None:
    """Submit a job."""
    given = {
        "workload_id": workload,
        "goal": goal,
        "pipeline": pipeline,
        "params": values.agent_params(params) or None,
        "priority": priority,
        "labels": values.labels(labels) or None,
        "deadline": deadline,
        "stages": _stages(stages),
        "idempotency_key": key,
    }
    raw: Any = values.json_file(body) if body else {}
    if isinstance(raw, Mapping):
        raw = {**raw, **{name: value for name, value in given.items() if value is not None}}
    made = netra.jobs.submit(job_request(raw))
    if as_json:
        print_json({"job": made})
    else:
        output.stdout().print(f"submitted job {made.id}")
    if and_follow:
        following.follow_and_exit(netra, made.id, as_json=as_json)
    elif not as_json:
        output.stderr().print(f"follow it: netra job follow {made.id}", style="dim")


@job.command("list")
@click.option("--state", "states", type=click.Choice(JOB_STATES), multiple=True)
@click.option("--workload", help="The id or name of a workload.")
@click.option("--batch", help="The id of a batch.")
@click.option("--pipeline")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE")
@output.limit_option
@json_option
@with_api
def list_(
    states: tuple[str, ...],
    workload: str | None,
    batch: str | None,
    pipeline: str | None,
    labels: tuple[str, ...],
    limit: int,
    as_json: bool,
    netra: Netra,
) -> None:
    """List jobs, newest first. Of several states a job is in any; it has all labels."""
    found = netra.jobs.list(
        state=states,
        workload_id=netra.workloads.get(workload).id if workload else None,
        batch_id=batch,
        pipeline=pipeline,
        labels=values.labels(labels),
        page_size=min(limit, 500),
    )
    emit({"items": list(islice(found, limit))}, as_json, lambda page: jobs_table(page["items"]))


@job.command()
@click.argument("job")
@json_option
@with_api
def show(job: str, as_json: bool, netra: Netra) -> None:
    """Show JOB and its stages."""
    emit(netra.jobs.get(job), as_json, _details)


@job.command()
@click.argument("job")
@click.option("--after", metavar="EPOCH-SEQ", help="Go on after this fact, e.g. 1-7.")
@json_option
@with_api
def follow(job: str, after: str | None, as_json: bool, netra: Netra) -> None:
    """Follow JOB to its end; the exit code is 0 if it succeeds."""
    following.follow_and_exit(netra, job, as_json=as_json, after=_position(after))


@job.command()
@click.argument("job")
@json_option
@with_api
def cancel(job: str, as_json: bool, netra: Netra) -> None:
    """Ask JOB to stop."""
    emit(netra.jobs.cancel(job), as_json, lambda j: f"asked job {j.id} to stop; it is {j.state}")


@job.command()
@click.argument("job")
@click.argument("level", type=click.IntRange(0, 9))
@json_option
@with_api
def priority(job: str, level: int, as_json: bool, netra: Netra) -> None:
    """Change how urgent JOB is: LEVEL 0 to 9, 9 goes first."""
    changed = netra.jobs.prioritize(job, level)
    emit(changed, as_json, lambda j: f"job {j.id} has priority {j.priority}")


@job.command()
@click.argument("job")
@click.option("--follow", "and_follow", is_flag=True, help="Follow the job to its end.")
@json_option
@with_api
def retry(job: str, and_follow: bool, as_json: bool, netra: Netra) -> None:
    """Run what failed or was cancelled of JOB again.

    A deadline that has passed is dropped, and said: it would stop the job at once.
    """
    again = netra.jobs.retry(job)
    emit(again, as_json, _again)
    if and_follow:
        following.follow_and_exit(netra, again.id, as_json=as_json)


def _again(j: Job) -> str:
    said = f"job {j.id} runs again, epoch {j.epoch}"
    if j.dropped_deadline is UNSET:
        return said
    return f"{said}; its deadline, {when(j.dropped_deadline)}, has passed: it runs without one"


def jobs_table(jobs: list[Job]) -> Table | str:
    if not jobs:
        return "no jobs"
    shown = output.table(
        "id", "state", "stages", "pipeline", "created", "took", "labels", right=("stages", "took")
    )
    for j in jobs:
        shown.add_row(
            j.id,
            output.state(j.state),
            f"{j.stages_ended}/{j.stages_total}",
            j.pipeline or "–",
            when(j.created_at),
            duration(between(j.started_at, j.finished_at)),
            " ".join(f"{name}={value}" for name, value in j.labels.items()),
        )
    return shown


def _details(j: Job) -> Group:
    facts = Table.grid(padding=(0, 2))
    goal = {} if j.goal is UNSET else j.goal
    for name, value in (
        ("id", j.id),
        ("state", output.state(j.state)),
        ("goal", goal.get("text")),
        ("workload", j.workload_id),
        ("pipeline", j.pipeline),
        ("batch", j.batch_id),
        ("created", when(j.created_at)),
        ("took", duration(between(j.started_at, j.finished_at))),
        ("deadline", when(j.deadline) if j.deadline else None),
        ("epoch", str(j.epoch) if j.epoch > 1 else None),
        ("labels", " ".join(f"{k}={v}" for k, v in j.labels.items()) or None),
        ("stopped by", j.stop_reason),
        ("waits for", None if j.waits_for is UNSET else j.waits_for),
    ):
        if value is not None:
            facts.add_row(Text(name, style="dim"), value)
    shown = output.table(
        "stage", "agent", "pool", "state", "attempt", "took", right=("attempt", "took")
    )
    for s in () if j.stages is UNSET else j.stages:
        took = duration(between(s.started_at, s.finished_at))
        shown.add_row(s.name, s.agent, s.pool, output.state(s.state), str(s.attempt), took)
    errors = [Text("  " + line, style="red") for line in failures(j)]
    return Group(facts, "", shown, *errors)


def _stages(path: Path | None) -> Any:
    if path is None:
        return None
    raw = values.json_file(path)
    return raw.get("stages", raw) if isinstance(raw, dict) else raw


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    epoch, dash, seq = text.partition("-")
    if not (dash and epoch.isdigit() and seq.isdigit()):
        raise click.BadParameter(f"{text!r} is not EPOCH-SEQ, e.g. 1-7", param_hint="--after")
    return Position(int(epoch), int(seq))
