"""The broadcast and its twin keep the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from netra.progress.broadcast import Broadcast, BroadcastLost, RedisBroadcast
from netra.progress.memory import MemoryBroadcast, MemoryBus
from tests.integration.valkey import Valkey


@dataclass
class Wire:
    """A broadcast, with what a test does to what it is connected to."""

    broadcast: Broadcast
    publish: Callable[[str, bytes], object]
    cut: Callable[[], None]
    mend: Callable[[], None]


@pytest.fixture(params=["redis", "memory"])
def wire(request: pytest.FixtureRequest) -> Wire:
    if request.param == "memory":
        bus = MemoryBus()
        return Wire(MemoryBroadcast(bus), bus.publish, bus.cut, bus.mend)
    valkey: Valkey = request.getfixturevalue("valkey")
    broadcast = RedisBroadcast(valkey.settings)
    return Wire(broadcast, valkey.client.publish, valkey.kill, valkey.start)


async def receive(broadcast: Broadcast) -> tuple[str, str, bytes]:
    async with asyncio.timeout(5):
        return await broadcast.receive()


async def silent(broadcast: Broadcast) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await broadcast.receive()
    except TimeoutError:
        return True
    return False


def test_what_is_subscribed_to_is_confirmed_then_heard(wire: Wire) -> None:
    async def run() -> None:
        b = wire.broadcast
        await b.connect()
        await b.subscribe(["a", "b"])
        assert [await receive(b), await receive(b)] == [
            ("subscribe", "a", b""),
            ("subscribe", "b", b""),
        ]
        wire.publish("a", b"1")
        wire.publish("c", b"2")
        wire.publish("b", b"\x003")
        assert [await receive(b), await receive(b)] == [
            ("message", "a", b"1"),
            ("message", "b", b"\x003"),
        ]
        assert await silent(b)
        await b.close()

    asyncio.run(run())


def test_what_is_left_is_no_longer_heard(wire: Wire) -> None:
    async def run() -> None:
        b = wire.broadcast
        await b.connect()
        await b.subscribe(["a", "b"])
        await receive(b)
        await receive(b)
        await b.unsubscribe(["a"])
        await asyncio.sleep(0.05)
        wire.publish("a", b"1")
        wire.publish("b", b"2")
        assert await receive(b) == ("message", "b", b"2")
        await b.close()

    asyncio.run(run())


def test_a_lost_connection_is_told_and_can_be_made_again(wire: Wire) -> None:
    async def run() -> None:
        b = wire.broadcast
        await b.connect()
        await b.subscribe(["a"])
        await receive(b)
        wire.cut()
        with pytest.raises(BroadcastLost):
            await receive(b)
        with pytest.raises(BroadcastLost):
            await b.connect()
        with pytest.raises(BroadcastLost):
            await b.subscribe(["a"])
        wire.mend()
        await b.connect()
        wire.publish("a", b"nobody listens")
        await b.subscribe(["a"])
        await receive(b)
        wire.publish("a", b"1")
        assert await receive(b) == ("message", "a", b"1")
        await b.close()

    asyncio.run(run())


def test_a_server_that_hangs_is_given_up(valkey: Valkey) -> None:
    async def run() -> None:
        b = RedisBroadcast(valkey.settings)
        b.ping_s = 0.2
        await b.connect()
        await b.subscribe(["a"])
        await receive(b)
        assert await silent(b)
        valkey.hang()
        with pytest.raises(BroadcastLost):
            await receive(b)
        valkey.go_on()
        await b.close()

    asyncio.run(run())


def test_a_quiet_connection_lives_on(valkey: Valkey) -> None:
    async def run() -> None:
        b = RedisBroadcast(valkey.settings)
        b.ping_s = 0.05
        await b.connect()
        later = asyncio.get_running_loop().call_later
        await b.subscribe(["a"])
        await receive(b)
        later(0.4, valkey.client.publish, "a", b"1")
        assert await receive(b) == ("message", "a", b"1")
        await b.close()

    asyncio.run(run())
