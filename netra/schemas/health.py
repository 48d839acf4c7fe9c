"""Whether the API serves, and whether its stores answer."""

from __future__ import annotations

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    #: How long the answer took.
    ms: float
    problem: str | None = None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    #: `ok`, or `unavailable` when a store is down.
    status: str
    stores: dict[str, StoreHealth]
