"""Workloads: created and filled by upload, listed, shown, deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from netra.client.call import Awaiting, Blocking, call, paged
from netra.client.request import PREFIX, Request, Upload, as_json, get, nothing
from netra.schemas.page import Page
from netra.schemas.workload import Workload, WorkloadAnswer

#: Told how many bytes of an upload have been sent, and of how many.
Progress = Callable[[int, int], None]


class WorkloadCalls:
    @call
    def create(
        self,
        path: str | Path | None = None,
        *,
        name: str | None = None,
        format: str | None = None,
        start: datetime | None = None,
        progress: Progress | None = None,
    ) -> Request[WorkloadAnswer]:
        """A new workload: of the events in a file, or empty if only `name` is given.

        Args:
            name: default: the file's name without its endings.
            format: default: detected.
            start: when a trace with relative times began; without it, it stays unanchored.
        """
        if path is not None and name is None:
            name = Path(path).name.partition(".")[0]
        return Request(
            method="POST",
            path=f"{PREFIX}/workloads",
            read=as_json(WorkloadAnswer),
            params={"name": name, **_source(path, format, start)}
            | ({"empty": "true"} if path is None else {}),
            upload=Upload(path=Path(path), progress=progress) if path is not None else None,
        )

    @call
    def append(
        self,
        workload: str,
        path: str | Path,
        *,
        format: str | None = None,
        start: datetime | None = None,
        progress: Progress | None = None,
    ) -> Request[WorkloadAnswer]:
        """Adds the events in a file to the workload of this id; those that it has are passed."""
        return Request(
            method="POST",
            path=f"{PREFIX}/workloads/{_id(workload)}/events",
            read=as_json(WorkloadAnswer),
            params=_source(path, format, start),
            upload=Upload(path=Path(path), progress=progress),
            # Events that are there already are recognised: sending them twice changes nothing.
            repeatable=True,
        )

    @paged
    def list(self, *, page_size: int | None = None) -> Request[Page[Workload]]:
        """All workloads, newest first."""
        return get("/workloads", as_json(Page[Workload]), limit=page_size)

    @call
    def get(self, workload: str) -> Request[Workload]:
        """The workload of this id or name, with its ingests."""
        return get(f"/workloads/{_id(workload)}", as_json(Workload))

    @call
    def delete(self, workload: str) -> Request[None]:
        """Deletes the workload of this id, and its events."""
        return Request(method="DELETE", path=f"{PREFIX}/workloads/{_id(workload)}", read=nothing)


class Workloads(WorkloadCalls, Blocking):
    """The tenant's workloads."""


class AsyncWorkloads(WorkloadCalls, Awaiting):
    """The tenant's workloads."""


def _id(workload: str) -> str:
    return quote(workload, safe="")


def _source(path: str | Path | None, format: str | None, start: datetime | None) -> dict[str, Any]:
    return {
        "filename": Path(path).name if path is not None else None,
        "format": format,
        "start": start.isoformat() if start else None,
    }
