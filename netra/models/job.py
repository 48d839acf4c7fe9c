"""Jobs, and the batches that group them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Id, Now

#: Job states that end an epoch.
TERMINAL = ("succeeded", "failed", "cancelled")


class Batch(Base):
    __tablename__ = "batches"
    __table_args__ = (
        Index("batches_tenant_created_idx", "tenant_id", "id"),
        Index("batches_tenant_name_key", "tenant_id", "name", unique=True),
        Index("batches_stopping_idx", "id", postgresql_where=text("stop_requested_at IS NOT NULL")),
    )

    id: Mapped[Id]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    created_at: Mapped[Now]
    #: Set while its jobs are being stopped.
    stop_requested_at: Mapped[datetime | None]


class BatchCounts(Base):
    """How many jobs of a batch are in which state, kept once all of them have ended."""

    __tablename__ = "batch_counts"

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batches.id"), primary_key=True)
    tenant_id: Mapped[str]
    #: Grows whenever a job may have been added, or was begun anew: counts of before are void.
    version: Mapped[int] = mapped_column(server_default=text("0"))
    states: Mapped[dict[str, int] | None] = mapped_column(JSONB)


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "jobs_labels_idx",
            "labels",
            postgresql_using="gin",
            postgresql_ops={"labels": "jsonb_path_ops"},
            postgresql_where=text("labels <> '{}'"),
        ),
        Index(
            "jobs_workload_idx",
            "workload_id",
            "id",
            postgresql_where=text("workload_id IS NOT NULL"),
        ),
        Index(
            "jobs_pipeline_idx",
            "tenant_id",
            "pipeline",
            "id",
            postgresql_where=text("pipeline IS NOT NULL"),
        ),
        Index(
            "jobs_tenant_idempotency_key",
            "tenant_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        # All indexes are written anew when the state changes, since some name it: the fewer there
        # are, the more jobs are done. A batch has none of all its states.
        Index("jobs_tenant_created_idx", "tenant_id", "id"),
        Index("jobs_tenant_state_idx", "tenant_id", "state", "id"),
        Index(
            "jobs_batch_state_idx",
            "batch_id",
            "state",
            "id",
            postgresql_where=text("batch_id IS NOT NULL"),
        ),
        Index(
            "jobs_deadline_idx",
            "deadline",
            postgresql_where=text("deadline IS NOT NULL AND state IN ('queued', 'running')"),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[Id]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    workload_id: Mapped[UUID | None] = mapped_column(ForeignKey("workloads.id"))
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("batches.id"))
    #: The parsed goal (`schemas.goal.Goal`).
    goal: Mapped[dict[str, Any]] = mapped_column(JSONB)
    pipeline: Mapped[str | None]
    #: The ingests that were visible at submission: every stage reads these and no later ones.
    ingests: Mapped[list[str]] = mapped_column(ARRAY(TEXT), server_default=text("'{}'"))
    #: Parameters by agent name.
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    priority: Mapped[int] = mapped_column(server_default=text("5"))
    labels: Mapped[dict[str, Any]] = mapped_column(JSONB)
    deadline: Mapped[datetime | None]
    #: `queued → running → succeeded | failed | cancelled`.
    state: Mapped[str] = mapped_column(server_default=text("'queued'"))
    #: The retry number. Each epoch has one terminal fact.
    epoch: Mapped[int] = mapped_column(server_default=text("1"))
    #: The last fact's number within the epoch.
    seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    #: Stages that are not yet terminal.
    stages_left: Mapped[int]
    idempotency_key: Mapped[str | None]
    #: Hash of the submitted body: the same key with another body is refused.
    body_hash: Mapped[str | None]
    #: Set when somebody asked to stop: `cancelled` or `deadline`.
    stop_reason: Mapped[str | None]
    stop_requested_at: Mapped[datetime | None]
    #: W3C trace context of the request that submitted the job.
    traceparent: Mapped[str | None]
    created_at: Mapped[Now]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
