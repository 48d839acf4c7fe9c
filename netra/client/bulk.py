"""Sends a manifest's jobs: checked first, in pieces, and resumable without making a job twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from netra.client.api import Netra
from netra.client.batch import CHUNK
from netra.client.journal import Journal
from netra.client.manifest import Manifest, Rejected, Row
from netra.errors import NetraError, NotFound, Problem
from netra.schemas.batch import Batch, BatchAnswer

#: Jobs of an earlier run that are asked for in one call: the most that the API gives.
_ASKED = 500
_ROW = re.compile(r"^jobs\[(\d+)\]\.?")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a manifest's rows."""

    #: None: nothing was sent, now or before.
    batch: Batch | None
    #: Jobs that this run made.
    created: int
    #: Jobs that were there already, from an earlier run.
    existing: int
    rejected: tuple[Rejected, ...]
    #: Rows that were not sent, because others were rejected.
    unsent: int


def send(
    netra: Netra,
    manifest: Manifest,
    *,
    skip_rejected: bool = False,
    chunk: int = CHUNK,
    journal_folder: Path | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Outcome:
    """Sends what is not there yet, `chunk` rows a call.

    Args:
        skip_rejected: rows that are no jobs are left out; else they keep all others back.
        journal_folder: where runs note what they have behind them; default: the user's state.
        progress: told of each number of rows that the server has.
    """
    rows, unknown = _with_workload(netra, manifest.rows)
    rejected = [*manifest.rejected, *unknown]
    if rejected and not skip_rejected:
        return Outcome(
            batch=None, created=0, existing=0, rejected=tuple(rejected), unsent=len(rows)
        )
    tenant = netra.access.whoami().tenant_id
    journal = Journal.of(netra.url, tenant, manifest.name, journal_folder)
    batch = _earlier(netra, journal)
    waiting = [row for row in rows if row.key not in journal.done]
    created, existing = 0, len(rows) - len(waiting)
    progress(existing)
    while waiting:
        piece, waiting = waiting[:chunk], waiting[chunk:]
        answer, refused = _send(netra, manifest.name, piece)
        rejected += refused.values()
        if answer is None:
            left = [row for row in piece if row.where not in refused]
            waiting = left + waiting
            if skip_rejected:
                continue
            break
        sent = zip(piece, answer.jobs, strict=True)
        journal.add(answer.batch.id, {row.key: job.id for row, job in sent})
        batch = answer.batch
        made = sum(job.created for job in answer.jobs)
        created, existing = created + made, existing + len(piece) - made
        progress(len(piece))
    return Outcome(
        batch=batch,
        created=created,
        existing=existing,
        rejected=tuple(rejected),
        unsent=len(waiting),
    )


def _with_workload(netra: Netra, rows: Sequence[Row]) -> tuple[list[Row], list[Rejected]]:
    """Splits off the rows whose workload the server does not have; each is asked for once."""
    missing: dict[str, NotFound] = {}
    for name in dict.fromkeys(row.job.workload_id for row in rows if row.job.workload_id):
        try:
            netra.workloads.get(name)
        except NotFound as e:
            missing[name] = e
    known: list[Row] = []
    rejected: list[Rejected] = []
    for row in rows:
        if e := missing.get(row.job.workload_id or ""):
            problem = Problem(
                where="workload_id", problem="unknown workload", got=row.job.workload_id
            )
            rejected.append(Rejected(where=row.where, detail=e.detail, errors=(problem,)))
        else:
            known.append(row)
    return known, rejected


def _earlier(netra: Netra, journal: Journal) -> Batch | None:
    """The batch of an earlier run, the journal held against the jobs that are in it."""
    if journal.batch_id is None:
        return None
    try:
        batch = netra.batches.get(journal.batch_id)
        there = {job.id for job in netra.batches.jobs(batch.id, page_size=_ASKED)}
    except NotFound:
        journal.forget()
        return None
    journal.keep(there)
    return batch


def _send(
    netra: Netra, name: str, piece: Sequence[Row]
) -> tuple[BatchAnswer | None, dict[str, Rejected]]:
    """Sends rows in one call: the answer, or the rows, by where they are, that the server refused.

    Raises:
        NetraError: the call failed for a reason that is no row's.
    """
    try:
        return netra.batches.submit(name, [row.job for row in piece]), {}
    except NetraError as e:
        refused: dict[str, Rejected] = {}
        for problem in e.errors:
            if not (named := _ROW.match(problem.where)) or int(named[1]) >= len(piece):
                raise
            own = replace(problem, where=problem.where[named.end() :] or "job")
            for row in _concerned(piece, int(named[1]), own):
                before = refused.get(row.where)
                errors = (*before.errors, own) if before else (own,)
                refused[row.where] = Rejected(where=row.where, detail=e.detail, errors=errors)
        if not refused:
            raise
        return None, refused


def _concerned(piece: Sequence[Row], index: int, problem: Problem) -> list[Row]:
    """The row that a problem names; of a workload's problem, the server names the first only."""
    named = piece[index]
    if problem.where != "workload_id":
        return [named]
    return [row for row in piece if row.job.workload_id == named.job.workload_id]
