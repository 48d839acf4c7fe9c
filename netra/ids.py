"""UUIDv7: ids that sort by the time they were made (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time
from uuid import UUID


def made_at(id: UUID) -> float:
    """When a UUIDv7 was made, by the clock of who made it, seconds since 1970."""
    return (id.int >> 80) / 1e3


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    ms = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random & ((1 << 62) - 1)
    return UUID(int=value)
