"""Dead letters: stages that were given up, with what is needed to understand and replay them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    job_id: str
    stage_id: str
    agent: str
    params: dict[str, Any]
    #: `{"type", "message", "traceback"}`.
    error: dict[str, Any] | None
    attempts: int
    #: Leases lost: its worker died or hung.
    lost: int
    created_at: datetime
    replayed_at: datetime | None
