"""Backs Redis up, as a replica would be filled: one RDB file over the replication protocol.

PostgreSQL is the truth, and Redis holds wake-ups and news: losing it costs time alone. This copy
is for looking into what was there, and for a Redis that was lost while PostgreSQL was not.
"""

from __future__ import annotations

import errno
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from netra import __version__
from netra.backup import manifest as manifests
from netra.backup.destination import Destination
from netra.backup.errors import BackupFailed
from netra.backup.manifest import Manifest
from netra.backup.owner import Owner
from netra.backup.scratch import scratch
from netra.errors import StoreUnavailable
from netra.settings import Redis, Settings
from netra.store import redis

STORE = "redis"
FILE = "dump.rdb"
_PATIENCE_S = 60.0
_MAGIC = (b"REDIS", b"VALKEY")


def take(settings: Settings, destination: Destination, owner: Owner | None) -> Manifest:
    """Makes a backup and returns its manifest, once it is kept.

    `owner` is the PostgreSQL that it belongs to, as far as that is known.

    Raises:
        BackupFailed: the server gave none (managed services do not allow it: use their own).
        StoreUnavailable: Redis or the destination does not answer.
    """
    began, keys_before, server = _seen(settings.redis)
    with scratch(settings) as folder:
        file = folder / FILE
        try:
            _receive(settings.redis, file)
        except OSError as e:
            if e.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StoreUnavailable(f"Redis does not answer: {e}") from e
        ended, keys_after, _ = _seen(settings.redis)
        id = manifests.new_id(ended, "full")
        described = manifests.described(FILE, file)
        destination.put(f"{STORE}/{id}/{FILE}", file)
    manifest = Manifest(
        store=STORE,
        id=id,
        kind="full",
        base=None,
        began_at=began,
        ended_at=ended,
        netra=__version__,
        server=server,
        schema="",
        position=owner.position if owner else {},
        rows={"keys": (keys_before, keys_after)},
        files=(described,),
    )
    manifests.keep(destination, manifest)
    return manifest


def _seen(settings: Redis) -> tuple[datetime, int, str]:
    from redis.exceptions import RedisError

    client = redis.connect(settings)
    try:
        seconds, micros = client.time()  # pyright: ignore[reportGeneralTypeIssues]
        info = client.info("server")
        server = str(info.get("valkey_version") or info.get("redis_version"))  # pyright: ignore[reportAttributeAccessIssue]
        moment = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
        return moment, int(client.dbsize()), server  # pyright: ignore[reportArgumentType]
    except RedisError as e:
        raise StoreUnavailable(f"Redis does not answer: {e}") from e
    finally:
        client.close()


def _receive(settings: Redis, file: Path) -> None:
    """Asks for what a new replica is sent, and takes the part that is the file."""
    with _socket(settings) as connection, connection.makefile("rb") as answers:
        if credentials := _credentials(settings):
            connection.sendall(credentials)
            answer = answers.readline()
            if not answer.startswith(b"+OK"):
                raise BackupFailed(f"Redis refused the password: {answer.decode(errors='replace')}")
        connection.sendall(b"SYNC\r\n")
        line = b"\n"
        while line in (b"\n", b"\r\n"):  # it is still writing the file
            line = answers.readline()
        if not line.startswith(b"$") or not line[1:].strip().isdigit():
            raise BackupFailed(f"Redis refused to be copied: {line.decode(errors='replace')}")
        _copy(answers, int(line[1:]), file)


def _copy(answers: BinaryIO, size: int, file: Path) -> None:
    left = size
    with file.open("wb") as target:
        while left:
            part = answers.read(min(left, 1 << 20))
            if not part:
                raise BackupFailed(f"Redis broke off {left} bytes before the end of its copy")
            target.write(part)
            left -= len(part)
    with file.open("rb") as written:
        if not written.read(8).startswith(_MAGIC):
            raise BackupFailed("what Redis sent is no RDB file")


def _socket(settings: Redis) -> socket.socket:
    parts = urlsplit(settings.url)
    if parts.scheme == "unix":
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(_PATIENCE_S)
        made.connect(parts.path)
        return made
    made = socket.create_connection((parts.hostname or "", parts.port or 6379), _PATIENCE_S)
    if parts.scheme == "rediss":
        made = ssl.create_default_context().wrap_socket(made, server_hostname=parts.hostname)
    return made


def _credentials(settings: Redis) -> bytes:
    parts = urlsplit(settings.url)
    words = [unquote(w) for w in (parts.username, parts.password) if w]
    if not words:
        return b""
    said = "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in ("AUTH", *words))
    return f"*{len(words) + 1}\r\n{said}".encode()
