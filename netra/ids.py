"""UUIDv7: ids that sort by the time they were made (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time
from uuid import UUID


def made_at(id: UUID) -> float:
    """When a UUIDv7 was made, by the clock of who made it, seconds since 1970."""
    return (id.int >> 80) / 1e3


#: Parts of a millisecond that ids tell apart: 12 bits, a quarter of a microsecond each.
_PARTS = 4096
#: A clock that was set back by more than this is believed, milliseconds.
_BACK_MS = 1000

_last = 0


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, 12 of their parts, then 62 random bits.

    Those that a thread makes one after the other sort so: two of the same moment count on (RFC
    9562, section 6.2, method 3).
    """
    global _last
    now = time.time_ns() * _PARTS // 1_000_000
    if 0 <= _last - now < _BACK_MS * _PARTS:
        now = _last + 1
    _last = now
    value = (now >> 12 & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (now & 0xFFF) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=value)
