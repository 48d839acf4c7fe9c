"""Both drivers over a real socket, to a server that plays the API's `/ws`."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from netra.client import AsyncNetra, Netra, Retry, follow
from netra.client.follow import Event
from netra.schemas.progress import Fact
from tests.unit.client.memory_api import MemoryApi, job_json
from tests.unit.client.test_follow import fact

RETRY = Retry(first_s=0.01, longest_s=0.02, patience_s=0.3)
#: How long each quiet connection holds; two of them are longer than the patience.
HELD_S = 0.8

Follow = Callable[[str], list[Event]]


@pytest.fixture(params=["blocking", "awaiting"])
def followed(request: pytest.FixtureRequest) -> Follow:
    """Follows job `j` of the API at a URL to its end, with either client."""
    twin = MemoryApi()
    twin.jobs["j"] = job_json("j", "running")

    def blocking(url: str) -> list[Event]:
        over = httpx.MockTransport(twin.handle)
        with Netra(url, "key", retry=RETRY, over=over) as netra:
            return list(netra.jobs.follow("j"))

    async def awaiting(url: str) -> list[Event]:
        over = httpx.MockTransport(twin.handle_async)
        async with AsyncNetra(url, "key", retry=RETRY, over=over) as netra:
            return [event async for event in netra.jobs.follow("j")]

    return blocking if request.param == "blocking" else lambda url: asyncio.run(awaiting(url))


@contextmanager
def served(answer: Callable[[ServerConnection], None]) -> Iterator[str]:
    def handle(socket: ServerConnection) -> None:
        try:
            answer(socket)
        except ConnectionClosed:
            pass

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.shutdown()
    thread.join()


def test_a_quiet_job_is_followed_through_any_number_of_lost_connections(
    followed: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_HELD_S", HELD_S / 4)
    heard: list[list[str]] = []

    def answer(socket: ServerConnection) -> None:
        heard.append([json.loads(socket.recv())["type"] for _ in range(2)])
        socket.send(json.dumps({"type": "pong"}))
        if len(heard) < 5:
            time.sleep(HELD_S)
            return
        for seq in range(1, 6):
            socket.send(json.dumps(fact(seq)))

    with served(answer) as url:
        events = followed(url)
    assert [e.seq for e in events if isinstance(e, Fact)] == [1, 2, 3, 4, 5]
    assert heard == [["subscribe", "ping"]] * 5
