"""The blocking driver of following: performs its steps over websockets and httpx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from netra.client import connection
from netra.client.follow import Barred, Event, Following, Lost, Open, Receive, Step
from netra.client.retry import Pause, Send
from netra.client.sse import EventLines
from netra.client.transport import Transport
from netra.schemas.progress import Fact, Tick


def follow(transport: Transport, following: Following) -> Iterator[Event]:
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
                outcome = listener.perform(step)
    finally:
        listener.close()


class _Listener:
    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.open = ExitStack()
        self.socket: ClientConnection | None = None
        self.messages: Iterator[str] = iter(())

    def perform(self, step: Step) -> Any:
        if isinstance(step, Send | Pause):
            return self.transport.perform(step)
        if isinstance(step, Receive):
            return self._receive(step.within_s)
        self.close()
        return self._open_socket(step) if step.way == "socket" else self._open_stream(step)

    def close(self) -> None:
        self.socket = None
        self.open.close()

    def _open_socket(self, step: Open) -> Lost | Barred | None:
        url = connection.socket_url(self.transport.url)
        try:
            socket = connect(url, **connection.socket_options(self.transport.headers))
            self.socket = self.open.enter_context(socket)
            self.socket.send(connection.subscription(step))
            self.socket.send(connection.ping())
        except Exception as e:
            return connection.judge_socket(e)
        return None

    def _open_stream(self, step: Open) -> Lost | Barred | None:
        try:
            response = self.open.enter_context(
                self.transport.http.stream(
                    "GET",
                    connection.stream_path(step),
                    headers=connection.stream_headers(step.position),
                    timeout=connection.stream_timeout(),
                )
            )
            if not response.is_success:
                response.read()
        except httpx.TransportError as e:
            return Lost(str(e))
        self.messages = _messages(response)
        return connection.judge_stream(response)

    def _receive(self, within_s: float) -> str | bytes | Lost | Barred | None:
        try:
            if self.socket is not None:
                return self.socket.recv(timeout=within_s)
            return next(self.messages, Lost("the stream ended"))
        except TimeoutError:
            return None
        except httpx.TransportError as e:
            return Lost(str(e))
        except Exception as e:
            return connection.judge_socket(e)


def _messages(response: httpx.Response) -> Iterator[str]:
    lines = EventLines()
    for line in response.iter_lines():
        if (message := lines.feed(line)) is not None:
            yield message
