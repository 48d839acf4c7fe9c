"""Frames that are written past the server are those that a client reads."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from netra.api.wire import text_frame, wire_of


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_client_reads_the_message(size: int) -> None:
    client = ClientProtocol(parse_uri("ws://localhost/ws"), state=State.OPEN, max_size=None)
    client.receive_data(text_frame(b"x" * size) + text_frame(b'{"type":"pong"}'))
    first, second = client.events_received()
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.opcode, len(first.data), first.fin) == (Opcode.TEXT, size, True)
    assert bytes(second.data) == b'{"type":"pong"}'


def test_a_server_without_the_extension_has_no_wire() -> None:
    assert wire_of({"extensions": {"websocket.http.response": {}}}) is None
    assert wire_of({"extensions": None}) is None
    assert wire_of({}) is None
