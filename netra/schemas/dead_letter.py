"""Dead letters: stages that were given up, with what is needed to understand and replay them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    job_id: str
    stage_id: str
    agent: str
    params: dict[str, Any]
    #: `{"type", "message", "traceback"}`; without a traceback where the stage was ended from
    #: outside: its process was killed or its worker lost, or it went over a limit.
    error: dict[str, Any] | None
    #: How often the stage was begun, in all epochs; what the error's message counts began anew with
    #: the last replay.
    attempts: int
    #: Leases lost in this epoch: its worker died or hung.
    lost: int
    created_at: datetime
    replayed_at: datetime | None


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/dead-letters/replay`: which letters to replay; without any filter, all."""

    agent: str | None = None
    #: The type of the error, e.g. `TimeLimit`.
    error_type: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    #: Given up at this time or later, and before that one. RFC 3339.
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    #: Letters looked at in one call.
    limit: Annotated[int, Meta(ge=1, le=1000)] = 500


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    job_id: str
    detail: str


class ReplayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    #: Jobs that run again, each once however many letters it had.
    jobs: tuple[str, ...]
    #: Jobs that cannot run again, and why.
    refused: tuple[Refused, ...]
    #: Whether there may be more letters like these: call again.
    more: bool
