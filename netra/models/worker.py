"""Workers that are alive, and the slots they bring to their pool."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from netra.models.base import Base, Id, Now


class Worker(Base):
    __tablename__ = "workers"

    id: Mapped[Id]
    pool: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    concurrency: Mapped[int]
    #: `numpy`, `cupy` or `torch`: what array code runs on.
    device: Mapped[str]
    started_at: Mapped[Now]
    heartbeat_at: Mapped[Now]
