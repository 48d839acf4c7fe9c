"""Stages: the queue itself. What changes a stage holds its job's row lock (docs/adr/0003).

Stages and results name their job and tenant without a foreign key: the functions that write them
write or hold what they name (docs/adr/0017).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Id, Now


class Stage(Base):
    __tablename__ = "stages"
    __table_args__ = (
        Index("stages_job_name_key", "job_id", "name", unique=True),
        Index(
            "stages_ready_idx",
            "pool",
            "tenant_id",
            text("netra_turn(ready_at, priority)"),
            postgresql_where=text("state = 'ready'"),
        ),
        Index("stages_short_idx", "pool", postgresql_where=text("state = 'ready' AND short")),
        Index(
            "stages_admitted_idx",
            "pool",
            "tenant_id",
            text("netra_turn(ready_at, priority)"),
            postgresql_where=text("state = 'admitted'"),
        ),
        Index(
            "stages_running_idx",
            "lease_until",
            postgresql_where=text("state = 'running'"),
        ),
        Index("stages_wrote_idx", "finished_at", postgresql_where=text("wrote")),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[Id]
    tenant_id: Mapped[str]
    job_id: Mapped[UUID]
    name: Mapped[str]
    #: Order within the job's listing.
    position: Mapped[int]
    agent: Mapped[str]
    pool: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: Names of the stages that must succeed first.
    after: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    #: How many of them have not.
    pending: Mapped[int]
    priority: Mapped[int]
    limit_s: Mapped[float]
    #: The catalog says that it takes no time worth a claim of its own.
    short: Mapped[bool] = mapped_column(server_default=text("false"))
    #: `blocked → ready → admitted → running → succeeded | failed | cancelled | skipped`.
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(server_default=text("1"))
    #: Which admission to Celery is current; messages of older ones are dropped.
    admission: Mapped[int] = mapped_column(server_default=text("0"))
    #: The fencing token: grows with every claim. A write with an older one is refused.
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    #: How often a lease was lost, and how often the agent failed; counted apart.
    lost: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    #: How often its process died while the worker lived: a stage that kills what runs it.
    killed: Mapped[int] = mapped_column(server_default=text("0"))
    #: Whether an attempt began to write tables to ClickHouse that may have to be swept.
    wrote: Mapped[bool] = mapped_column(server_default=text("false"))
    #: A retry waits until then.
    run_at: Mapped[Now]
    ready_at: Mapped[datetime | None]
    admitted_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[UUID | None]
    #: The process that runs it.
    worker_pid: Mapped[int | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    #: `{"type", "message", "traceback"}` of the last failure.
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    checkpoint: Mapped[Any | None] = mapped_column(JSONB)


class StageResultRow(Base):
    """The winning attempt's result; written in the transaction that completes the stage."""

    __tablename__ = "stage_results"

    stage_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    job_id: Mapped[UUID]
    agent: Mapped[str]
    attempt: Mapped[int]
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: Names of the tables in ClickHouse.
    tables: Mapped[list[Any]] = mapped_column(JSONB)
    created_at: Mapped[Now]

    __table_args__ = (
        Index("stage_results_job_idx", "job_id"),
        Index(
            "stage_results_reports_idx",
            "tenant_id",
            "job_id",
            postgresql_where=text("agent = 'report'"),
        ),
    )


class DeadLetter(Base):
    """A stage that was given up, with all that is needed to understand and replay it."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index("dead_letters_tenant_idx", "tenant_id", "id"),
        Index(
            "dead_letters_waiting_idx",
            "tenant_id",
            "id",
            postgresql_where=text("replayed_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    stage_id: Mapped[UUID] = mapped_column(ForeignKey("stages.id"))
    agent: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    attempts: Mapped[int]
    lost: Mapped[int]
    created_at: Mapped[Now]
    replayed_at: Mapped[datetime | None]
