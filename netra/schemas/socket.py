"""What goes over `/ws`: the client's messages, typed; the server's are facts, ticks and these."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

#: What PostgreSQL's columns of epochs and seqs hold.
MOST_EPOCH = 2**31 - 1
MOST_SEQ = 2**63 - 1

Epoch = Annotated[int, Meta(ge=1, le=MOST_EPOCH)]
Number = Annotated[int, Meta(ge=0, le=MOST_SEQ)]


class Position(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last fact of a job that the client saw."""

    epoch: Epoch
    seq: Number


class Subscribe(
    msgspec.Struct, frozen=True, kw_only=True, tag="subscribe", forbid_unknown_fields=True
):
    """Follow a job, or all jobs of a batch, from a position on."""

    job_id: str | None = None
    #: The last seq seen of `job_id`; 0: everything.
    after_seq: Number = 0
    #: The epoch of `after_seq`; None: the current one.
    epoch: Epoch | None = None
    batch_id: str | None = None
    #: Of a batch: positions by job id. Jobs not named are followed from now on.
    positions: dict[str, Position] = {}


class Unsubscribe(
    msgspec.Struct, frozen=True, kw_only=True, tag="unsubscribe", forbid_unknown_fields=True
):
    job_id: str | None = None
    batch_id: str | None = None


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag="ping"):
    """Answered by `{"type": "pong"}`."""


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag="auth", forbid_unknown_fields=True):
    api_key: str


ClientMessage = Subscribe | Unsubscribe | Ping | Auth


class JobHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job stands."""

    id: str
    state: str
    epoch: int
    seq: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """Where a batch's jobs stand; the facts that follow come after these positions."""

    batch_id: str
    total: int
    states: dict[str, int]
    finished: int
    #: At most 1000 a message.
    jobs: tuple[JobHead, ...]
    #: True: the next message goes on with more jobs.
    more: bool = False


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag="pong"):
    pass


class Authenticated(msgspec.Struct, frozen=True, kw_only=True, tag="authenticated"):
    tenant_id: str


class SocketError(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """A message was not understood or not allowed; the connection stays open."""

    #: The problem's stable name, as in `type` of problem details.
    slug: str
    detail: str
    job_id: str | None = None
    batch_id: str | None = None
