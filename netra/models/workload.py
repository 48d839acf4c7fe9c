"""Workloads, and the ingests that fill them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Id, Now


class Workload(Base):
    __tablename__ = "workloads"
    __table_args__ = (
        Index(
            "workloads_tenant_name_key",
            "tenant_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    #: False: the trace has relative times. None: no events yet.
    anchored: Mapped[bool | None]
    #: Visible events.
    events: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    min_ts: Mapped[datetime | None]
    max_ts: Mapped[datetime | None]
    created_at: Mapped[Now]
    deleted_at: Mapped[datetime | None]


class Ingest(Base):
    __tablename__ = "ingests"
    __table_args__ = (
        Index(
            "ingests_running_key",
            "workload_id",
            unique=True,
            postgresql_where=text("state = 'running'"),
        ),
        Index("ingests_workload_idx", "workload_id", "state"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    workload_id: Mapped[UUID] = mapped_column(ForeignKey("workloads.id"))
    #: `running`, `visible` or `failed`. Readers see the rows of visible ingests only.
    state: Mapped[str] = mapped_column(server_default=text("'running'"))
    source_name: Mapped[str]
    format: Mapped[str | None]
    content_hash: Mapped[str | None]
    #: Rows in the file.
    rows: Mapped[int | None] = mapped_column(BigInteger)
    #: Events that were new.
    events: Mapped[int | None] = mapped_column(BigInteger)
    duplicates: Mapped[int | None] = mapped_column(BigInteger)
    min_ts: Mapped[datetime | None]
    max_ts: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    started_at: Mapped[Now]
    heartbeat_at: Mapped[Now]
    finished_at: Mapped[datetime | None]
