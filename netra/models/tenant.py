"""Tenants, and the API keys that open their door."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from netra.models.base import Base, Now


class Tenant(Base):
    __tablename__ = "tenants"

    #: A short name; part of every table, key and message.
    id: Mapped[str] = mapped_column(primary_key=True)
    #: Share of a contended pool, relative to other tenants.
    weight: Mapped[float] = mapped_column(server_default=text("1"))
    #: Stages admitted or running at once at most; None is unlimited.
    max_running: Mapped[int | None]
    created_at: Mapped[Now]


class Share(Base):
    """How far a tenant is in its turns on a pool: the fair queueing of `netra_admit_ready`."""

    __tablename__ = "shares"

    pool: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    #: Virtual times at which its last admission began and ended.
    started: Mapped[float] = mapped_column(server_default=text("0"))
    finished: Mapped[float] = mapped_column(server_default=text("0"))


class ApiKey(Base):
    __tablename__ = "api_keys"

    #: SHA-256 of the key, hex. The key itself is never kept.
    key_hash: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    created_at: Mapped[Now]
    revoked_at: Mapped[datetime | None]
