"""A message to a follower: what is needed to order it, beside the text that is sent."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from netra.schemas.socket import MOST_EPOCH, MOST_SEQ
from netra.store.fact import FactRow

_POSITION = re.compile(r"([0-9]{1,10})-([0-9]{1,19})")
#: Kinds of the facts that end an epoch.
TERMINAL = ("job.succeeded", "job.failed", "job.cancelled")


class Position(NamedTuple):
    """The last fact seen of a job. `(1, 0)` is before the first."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """From `epoch-seq`; None if it is not one."""
        if (found := _POSITION.fullmatch(text)) is None:
            return None
        position = cls(int(found[1]), int(found[2]))
        return position if position.epoch <= MOST_EPOCH and position.seq <= MOST_SEQ else None


#: Before a job's first fact.
START = Position(1, 0)


class Message(msgspec.Struct, frozen=True, gc=False):
    """A fact or a tick. Other fields of the JSON are carried in `raw` alone."""

    type: str
    job_id: str
    epoch: int = 0
    seq: int = 0
    kind: str = ""
    stage: str | None = None
    raw: bytes = b""

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    @classmethod
    def from_row(cls, row: FactRow) -> Message:
        raw = msgspec.json.format(row.raw.encode(), indent=-1)
        return cls("fact", row.job_id, row.epoch, row.seq, row.kind, row.stage, raw)


class _Head(msgspec.Struct, gc=False):
    """What is read of a message; its `raw` cannot be given by the sender."""

    type: str
    job_id: str
    epoch: int = 0
    seq: int = 0
    kind: str = ""
    stage: str | None = None


_decode = msgspec.json.Decoder(_Head).decode


def read(raw: bytes) -> Message | None:
    """The message in a line; None if it is neither fact nor tick."""
    try:
        head = _decode(raw)
    except msgspec.DecodeError:
        return None
    if head.type not in ("fact", "tick"):
        return None
    return Message(head.type, head.job_id, head.epoch, head.seq, head.kind, head.stage, raw)


def read_all(content: bytes) -> list[Message]:
    """The messages in what came over a channel, one a line."""
    return [message for line in content.split(b"\n") if (message := read(line)) is not None]
