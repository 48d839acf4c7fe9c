"""Facts: a job's state transitions, numbered in the transaction that makes them true."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Now


class Fact(Base):
    __tablename__ = "facts"
    __table_args__ = (
        Index("facts_unpublished_idx", "ts", postgresql_where=text("NOT published")),
        Index("facts_ts_idx", "ts", postgresql_using="brin"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    batch_id: Mapped[UUID | None]
    ts: Mapped[Now]
    kind: Mapped[str]
    #: The stage's name, for facts about a stage.
    stage: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: Whether it went out to Redis; the scheduler sends what did not.
    published: Mapped[bool] = mapped_column(server_default=text("false"))
