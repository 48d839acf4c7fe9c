"""Who calls, and the tickets that open a WebSocket from a browser."""

from __future__ import annotations

from datetime import datetime

import msgspec


class WhoAmI(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: str
    key_name: str


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Opens one WebSocket: `/ws?ticket=…`."""

    ticket: str
    expires_at: datetime
