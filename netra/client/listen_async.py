"""The awaiting driver of following: performs its steps over websockets and httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from netra.client import connection
from netra.client.follow import Barred, Event, Following, Lost, Open, Receive, Step
from netra.client.retry import Pause, Send
from netra.client.sse import EventLines
from netra.client.transport import AsyncTransport
from netra.schemas.progress import Fact, Tick


async def follow(transport: AsyncTransport, following: Following) -> AsyncIterator[Event]:
    """Facts and ticks as they come, until the job has ended. Close it to stop early."""
    listener = _Listener(transport)
    steps = following.steps()
    outcome: Any = None
    try:
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration:
                return
            if isinstance(step, Fact | Tick):
                outcome = None
                yield step
            else:
                outcome = await listener.perform(step)
    finally:
        await listener.close()


class _Listener:
    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self.open = AsyncExitStack()
        self.socket: ClientConnection | None = None
        self.messages: AsyncIterator[str] | None = None

    async def perform(self, step: Step) -> Any:
        if isinstance(step, Send | Pause):
            return await self.transport.perform(step)
        if isinstance(step, Receive):
            return await self._receive(step.within_s)
        await self.close()
        if step.way == "socket":
            return await self._open_socket(step)
        return await self._open_stream(step)

    async def close(self) -> None:
        self.socket = None
        await self.open.aclose()

    async def _open_socket(self, step: Open) -> Lost | Barred | None:
        url = connection.socket_url(self.transport.url)
        try:
            socket = connect(url, **connection.socket_options(self.transport.headers))
            self.socket = await self.open.enter_async_context(socket)
            await self.socket.send(connection.subscription(step))
            await self.socket.send(connection.ping())
        except Exception as e:
            return connection.judge_socket(e)
        return None

    async def _open_stream(self, step: Open) -> Lost | Barred | None:
        try:
            response = await self.open.enter_async_context(
                self.transport.http.stream(
                    "GET",
                    connection.stream_path(step),
                    headers=connection.stream_headers(step.position),
                    timeout=connection.stream_timeout(),
                )
            )
            if not response.is_success:
                await response.aread()
        except httpx.TransportError as e:
            return Lost(str(e))
        self.messages = _messages(response)
        return connection.judge_stream(response)

    async def _receive(self, within_s: float) -> str | bytes | Lost | Barred | None:
        try:
            if self.socket is not None:
                return await asyncio.wait_for(self.socket.recv(), within_s)
            assert self.messages is not None
            return await anext(self.messages, Lost("the stream ended"))
        except TimeoutError:
            return None
        except httpx.TransportError as e:
            return Lost(str(e))
        except Exception as e:
            return connection.judge_socket(e)


async def _messages(response: httpx.Response) -> AsyncIterator[str]:
    lines = EventLines()
    async for line in response.aiter_lines():
        if (message := lines.feed(line)) is not None:
            yield message
