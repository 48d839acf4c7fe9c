"""The supply catalog's rows: a tenant's own prices and limits, which override the list."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec


class SupplyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`PUT /api/v1/supply/{kind}/{name}`."""

    effective_from: date
    #: Prices and limits.
    content: dict[str, Any]


class SupplyRow(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    name: str
    effective_from: date
    content: dict[str, Any]
    created_at: datetime


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The list that holds where the tenant has no row of its own."""

    source: str
    version: str


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[SupplyRow, ...]
    price_list: PriceList
