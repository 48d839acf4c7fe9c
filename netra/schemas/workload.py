"""Workloads: a tenant's named, append-only sets of events, and the ingests that fill them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

#: Formats of demand series begin so: their rows are points, not requests.
DEMAND_PREFIX = "demand-"


class Ingest(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    #: `running`, `visible` or `failed`; only the events of visible ingests are read.
    state: str
    source_name: str
    format: str | None
    #: Rows in the file, events that were new, and events that were there already; of a demand
    #: series, its points.
    rows: int | None
    events: int | None
    duplicates: int | None
    started_at: datetime
    finished_at: datetime | None
    error: dict[str, Any] | None


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    #: `empty`, `ingesting` or `ready`.
    state: str
    #: False: the trace has relative times. None: no events yet.
    anchored: bool | None
    #: Requests.
    events: int
    #: Points of demand series, which are no requests.
    points: int = 0
    min_ts: datetime | None
    max_ts: datetime | None
    created_at: datetime
    #: Newest first. Lists leave it empty.
    ingests: tuple[Ingest, ...] = ()


class IngestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one upload did."""

    id: str
    format: str | None
    rows: int
    events: int
    duplicates: int
    #: True: the same content was there already, so nothing changed.
    repeated: bool = False


class WorkloadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    workload: Workload
    #: None: no events were sent.
    ingest: IngestSummary | None = None
