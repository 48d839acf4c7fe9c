"""The workload of a demo: real traffic where there is some, else a generated one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netra.client import Netra
from netra.errors import Conflict, NotFound
from netra.schemas.workload import WorkloadAnswer

REAL = "coding-agent-sessions.parquet"
_GENERATED_EVENTS = 30_000
#: An interrupted demo leaves an ingest that is given up only after a while, seconds.
_PATIENCE_S = 60.0
_LOOK_S = 0.5


@dataclass(frozen=True)
class Source:
    """A file of events, and what to say of it."""

    path: Path
    name: str
    #: One line for the user: what this traffic is.
    said: str


def choose(folder: Path) -> Source:
    """The real sessions, from NETRA_SHARED_DATA or `../shared/data`; else a file made here."""
    shared = Path(os.environ.get("NETRA_SHARED_DATA") or Path.cwd().parent / "shared" / "data")
    real = shared / REAL
    if real.is_file():
        return Source(real, real.stem, "real coding-agent sessions")
    made = folder / f"generated-{_GENERATED_EVENTS}.parquet"
    if not made.is_file():
        _generate(made)
    return Source(
        made,
        made.stem,
        f"GENERATED traffic: neither NETRA_SHARED_DATA nor ../shared/data holds {REAL}",
    )


def _generate(path: Path) -> None:
    from netra.ingest import generate

    path.parent.mkdir(parents=True, exist_ok=True)
    # Under another name until it is whole: an interrupted demo leaves no half of a file.
    partial = path.with_name(f"partial-{path.name}")
    generate.write(partial, _GENERATED_EVENTS)
    partial.replace(path)


def bring_in(netra: Netra, source: Source, waits: Callable[[str], None]) -> WorkloadAnswer:
    """The workload with the source's events in it, however often and however far this was done."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return _bring_in(netra, source)
        except Conflict as e:
            # An ingest of an interrupted run; its lease runs out.
            if time.monotonic() > end:
                raise
            waits(e.detail)
            time.sleep(_LOOK_S)


def _bring_in(netra: Netra, source: Source) -> WorkloadAnswer:
    try:
        found = netra.workloads.get(source.name)
    except NotFound:
        return netra.workloads.create(source.path, name=source.name)
    return netra.workloads.append(found.id, source.path)
