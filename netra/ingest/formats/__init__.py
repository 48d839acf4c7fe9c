"""The trace formats that Netra reads, and which one a file is in."""

from __future__ import annotations

from netra.errors import InvalidInput, Problem
from netra.ingest.format import Format
from netra.ingest.formats.azure_2023 import Azure2023
from netra.ingest.formats.coding_agent import CodingAgent
from netra.ingest.formats.demand import Demand
from netra.ingest.formats.mooncake import Mooncake
from netra.ingest.formats.netra_events import NetraEvents
from netra.ingest.formats.vllm_run import VllmRun
from netra.ingest.head import Head
from netra.ingest.problems import refuse

#: In the order in which they are tried: Netra's own asks for the least, so it comes last.
FORMATS: tuple[Format, ...] = (
    Azure2023(),
    Mooncake(),
    VllmRun(),
    CodingAgent(),
    Demand("csv"),
    Demand("jsonl"),
    Demand("parquet"),
    NetraEvents("csv"),
    NetraEvents("jsonl"),
    NetraEvents("parquet"),
)


def choose(head: Head, name: str | None) -> Format:
    """The format called `name`, or the one that the head of the file shows.

    Raises:
        InvalidInput: there is no format of that name.
        InvalidEvents: the file is not in that format, or in none; says what it lacks.
    """
    if name is None:
        return _detected(head)
    fmt = _named(name, head)
    if fmt.container != head.container:
        refuse(
            head.source,
            "file",
            f"format {fmt.name!r} is {fmt.container}, and this is {head.container}; leave"
            " --format out to have it detected",
            head.container,
            fmt.container,
        )
    _check_columns(head, fmt)
    return fmt


def _named(name: str, head: Head) -> Format:
    wanted = name.strip().lower().replace("_", "-")
    for fmt in FORMATS:
        if wanted in (fmt.name, *fmt.aliases):
            return fmt
        if wanted == "netra" and fmt.name == f"netra-{head.container}":
            return fmt
    known = ", ".join(fmt.name for fmt in FORMATS)
    problem = Problem(
        where="format", problem="unknown format", got=name, expected=f"one of: {known}"
    )
    raise InvalidInput(f"there is no trace format {name!r}", (problem,))


def _detected(head: Head) -> Format:
    columns = set(head.columns)
    candidates = [fmt for fmt in FORMATS if fmt.container == head.container]
    for fmt in candidates:
        if fmt.fits(columns) if isinstance(fmt, Demand) else columns.issuperset(fmt.required):
            return fmt
    # The nearest one tells what is missing; a file that shares nothing is told all there is.
    nearest = max(candidates, key=lambda f: len(columns & set(f.required)) / len(f.required))
    if columns & set(nearest.required):
        _check_columns(head, nearest)
    known = "; ".join(f"{fmt.name}: {', '.join(fmt.required)}" for fmt in candidates)
    refuse(
        head.source,
        head.where,
        "unknown format: the columns are those of no trace format; rename them to Netra's own"
        " (ts, model, input_tokens, …)",
        ", ".join(head.columns) or "no columns",
        f"the columns of one of these: {known}",
    )


def _check_columns(head: Head, fmt: Format) -> None:
    if isinstance(fmt, Demand):
        missing = fmt.lacks(head.columns)
    else:
        missing = [name for name in fmt.required if name not in head.columns]
    if missing:
        refuse(
            head.source,
            f"{head.where}, column {missing[0]}",
            f"format {fmt.name!r} needs the column{'s' * (len(missing) > 1)}"
            f" {', '.join(missing)}, which the file lacks; add it or name another format",
            ", ".join(head.columns),
            ", ".join(fmt.required),
        )
