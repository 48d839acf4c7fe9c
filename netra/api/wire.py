"""Frames written straight to a client's connection: one message to thousands costs one encoding.

The server's own way (an ASGI message, a framework, a frame for each client) takes several times as
long as the write itself. What is written here goes past it, so only whole frames do, and never
while the server's way waits for room: `write` then refuses.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

#: The name of the extension in a connection's scope.
EXTENSION = "netra.wire"
#: What the kernel holds for a client beyond what is on its way, bytes: one that does not read
#: must not fill megabytes there.
_UNSENT_BYTES = 1 << 16


class Wire:
    """The way to one client."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def write(self, raw: bytes) -> bool:
        """Writes a text message; False if the client has to be waited for, or is gone."""
        protocol = self._protocol
        if protocol.close_sent or protocol.disconnected or not protocol.writable.is_set():
            return False
        protocol.transport.write(text_frame(raw))
        return True


# Everybody gets a message before the next comes, or soon after.
@lru_cache(maxsize=64)
def text_frame(raw: bytes) -> bytes:
    """A server's frame of one whole text message."""
    return Frame(Opcode.TEXT, raw).serialize(mask=False)


class Protocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSockets, with a wire in the scope."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        unsent = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if connection is not None and unsent is not None:
            connection.setsockopt(socket.IPPROTO_TCP, unsent, _UNSENT_BYTES)

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        # Nothing has read the scope yet: the app runs in a task, from the next turn on.
        if (scope := getattr(self, "scope", None)) is not None:
            scope["extensions"][EXTENSION] = Wire(self)


def wire_of(scope: Any) -> Wire | None:
    """The connection's wire; None under a server that has none."""
    return (scope.get("extensions") or {}).get(EXTENSION)
