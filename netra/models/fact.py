"""Facts: a job's state transitions, numbered in the transaction that makes them true.

And the outbox: those that nobody has sent yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Now


class Fact(Base):
    __tablename__ = "facts"
    __table_args__ = (
        Index("facts_unpublished_idx", "ts", postgresql_where=text("NOT published")),
        Index("facts_ts_idx", "ts", postgresql_using="brin"),
    )

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[str]
    batch_id: Mapped[UUID | None]
    ts: Mapped[Now]
    kind: Mapped[str]
    #: The stage's name, for facts about a stage.
    stage: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: What the release before asked, whether it went out; the outbox says that now.
    published: Mapped[bool] = mapped_column(server_default=text("false"))


class OutboxRow(Base):
    """What a transaction told and nobody has sent yet: a few milliseconds, unless Redis is away."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ts: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp()
    )
    #: The facts as clients are sent them, each with its tenant and batch.
    facts: Mapped[list[Any]] = mapped_column(JSON)
