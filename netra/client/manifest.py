"""Batch manifests: files of jobs, as JSONL, as CSV, or as a grid of parameters in TOML.

Every row is checked with the code that the server checks it with, before anything is sent.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from netra.client.manifest_rows import READERS
from netra.errors import InvalidInput, NetraError, Problem
from netra.pipelines.understand import understand
from netra.schemas.job import JobRequest
from netra.validation import problems_of

#: Fields of a job that say nothing of what it runs.
_BESIDE = frozenset({"priority", "labels", "deadline", "idempotency_key"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job of a manifest."""

    #: `line 7`, or `combination 7` of a grid.
    where: str
    job: JobRequest

    @property
    def key(self) -> str:
        assert self.job.idempotency_key
        return self.job.idempotency_key


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A row that is no job, and why."""

    where: str
    detail: str
    errors: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    name: str
    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]


def load(path: Path, name: str | None = None) -> Manifest:
    """Reads and checks a manifest.

    A row that names no idempotency key gets the hash of the manifest's name, its own content and
    how often the same content stood before it: sending the manifest again makes no job twice,
    and rows that are alike are jobs of their own.

    Args:
        name: of the manifest and its batch; default: the file's, without its ending.

    Raises:
        InvalidInput: the file as a whole cannot be read; single rows that cannot are in `rejected`.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidInput(
            f"{path}: a manifest is a {', '.join(READERS)} file, not {path.suffix or 'nameless'!r}"
        )
    name = name or path.stem
    rows: list[Row] = []
    rejected: list[Rejected] = []
    seen: Counter[str] = Counter()
    try:
        for where, raw in reader(path):
            try:
                rows.append(Row(where=where, job=_keyed(check(raw()), name, seen)))
            except NetraError as e:
                rejected.append(Rejected(where=where, detail=e.detail, errors=tuple(e.errors)))
    except (OSError, UnicodeDecodeError) as e:
        raise InvalidInput(f"{path} cannot be read: {e}") from e
    if not rows and not rejected:
        raise InvalidInput(f"{path} holds no job")
    kept, clashing = _without_clashes(rows)
    return Manifest(name=name, rows=tuple(kept), rejected=(*rejected, *clashing))


def job_request(raw: Any) -> JobRequest:
    """A job as JSON gives it. Raises InvalidInput naming each field that is wrong."""
    try:
        return msgspec.convert(raw, JobRequest)
    except msgspec.ValidationError as e:
        raise InvalidInput("this is not a job", problems_of(e, raw, JobRequest)) from e


def check(raw: Any) -> JobRequest:
    """As `job_request`, and its goal, stages and parameters can be used."""
    try:
        job = job_request(raw)
    except InvalidInput as e:
        raise InvalidInput(e.detail, [*e.errors, *_beside(raw, e.errors)]) from e
    understand(job)
    return job


def _beside(raw: Any, found: Sequence[Problem]) -> Sequence[Problem]:
    """What else is wrong with a job, where what was found does not decide what it runs."""
    fields = {re.split(r"[.\[]", problem.where)[0] for problem in found}
    if not fields <= _BESIDE:
        return ()
    try:
        understand(job_request({name: v for name, v in raw.items() if name not in fields}))
    except NetraError as e:
        return e.errors
    return ()


def _keyed(job: JobRequest, name: str, seen: Counter[str]) -> JobRequest:
    if job.idempotency_key:
        return job
    content = msgspec.json.encode(job, order="sorted")
    digest = hashlib.sha256(name.encode() + b"\0" + content).hexdigest()
    before = seen[digest]
    seen[digest] += 1
    key = hashlib.sha256(f"{digest}\0{before}".encode()).hexdigest()
    return msgspec.structs.replace(job, idempotency_key=key)


def _without_clashes(rows: list[Row]) -> tuple[list[Row], list[Rejected]]:
    """Rows that name one key for different jobs are a mistake in the manifest."""
    first: dict[str, Row] = {}
    kept: list[Row] = []
    clashing: list[Rejected] = []
    for row in rows:
        other = first.setdefault(row.key, row)
        if other.job == row.job:
            kept.append(row)
            continue
        problem = Problem(
            where="idempotency_key",
            problem=f"{other.where} has this key for another job",
            got=row.key,
            expected="a key of its own, or none",
        )
        clashing.append(Rejected(where=row.where, detail="the key is taken", errors=(problem,)))
    return kept, clashing
