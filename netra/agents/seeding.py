"""Where an agent's random draws begin."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec


def seed_of(agent: str, params: Mapping[str, Any]) -> int:
    """The same for the same question, wherever and whenever it is asked: no id of a job, a workload
    or an ingest is in it, so that two installations say the same of the same file.

    Args:
        params: all parameters of the agent, defaults filled in.
    """
    return zlib.crc32(msgspec.json.encode([agent, params], order="sorted"))
