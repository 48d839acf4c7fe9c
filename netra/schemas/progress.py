"""What followers are sent, over the socket, the stream and the list of facts alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag="fact"):
    """A state transition of a job: numbered, kept, sent once and in order."""

    job_id: str
    #: The job's retry number; `seq` counts from 1 in each.
    epoch: int
    seq: int
    ts: datetime
    #: `job.queued`, `stage.started`, …, `job.succeeded`.
    kind: str
    #: The stage's name, for facts about a stage.
    stage: str | None = None
    payload: dict[str, Any] = {}


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag="tick"):
    """A passing percentage or message: unnumbered, and droppable."""

    job_id: str
    stage: str
    #: 0 to 1.
    fraction: float
    message: str = ""
