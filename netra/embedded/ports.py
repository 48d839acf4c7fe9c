"""Ports of the stack on the loopback: chosen once, kept while they stay free."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from netra.embedded import jsonfile

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback's `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        return _bind(s, port)


def is_open(port: int, timeout_s: float = 0.5) -> bool:
    """Whether somebody accepts connections on the loopback's `port`."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def choose(path: Path, wanted: Mapping[str, int]) -> dict[str, int]:
    """A port for every name in `wanted`, written to `path`.

    The port used last time comes first, then the wanted one (0 wants none), then any free one.
    """
    kept = jsonfile.read(path).get("ports", {})
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        # All stay bound until the end, or the system could hand out one of them twice.
        for name, preferred in wanted.items():
            s = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            if not any(port and _bind(s, port) for port in (kept.get(name, 0), preferred)):
                s.bind((LOOPBACK, 0))
            chosen[name] = s.getsockname()[1]
    jsonfile.write(path, {"ports": {**kept, **chosen}})
    return chosen


def _bind(s: socket.socket, port: int) -> bool:
    # Without this, connections of the last run that linger in TIME_WAIT make its ports look taken.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((LOOPBACK, port))
    except (OSError, OverflowError):
        return False
    return True
