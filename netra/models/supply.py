"""A tenant's own rows of the supply catalog; they override the published list."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Id, Now


class SupplyRow(Base):
    __tablename__ = "supply_rows"
    __table_args__ = (
        Index("supply_rows_key", "tenant_id", "kind", "name", "effective_from", unique=True),
    )

    id: Mapped[Id]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    #: `model` or `gpu`.
    kind: Mapped[str]
    #: `provider/model`, or the GPU's name.
    name: Mapped[str]
    effective_from: Mapped[date]
    #: Prices and limits, as `catalog.supply` reads them.
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[Now]
