"""HTTP clients that cost little, so that the server is what is measured: sockets kept open."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import uvloop

_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Client(asyncio.Protocol):
    """One connection; sends a body, reads the answer whole, and again."""

    def __init__(self, url: str, key: str, path: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self.received = b""
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_connection(lambda: self, self.host, self.port)

    async def post(self, body: bytes, accept: int = 202) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: the answer's status is not `accept`.
            ConnectionError: the server closed the connection.
        """
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(b"%b%d%b%b" % (self.head, len(body), _END, body))
        status, answer = await self.answer
        if status != accept:
            raise RuntimeError(answer.decode()[:500])
        return answer

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(_END)
        if not end or self.answer is None:
            return
        status, length = _STATUS.match(head), _LENGTH.search(head + b"\r\n")
        if status is None or length is None:
            self.answer.set_exception(RuntimeError(f"no answer of this server's: {head[:500]!r}"))
        elif len(body) >= int(length[1]):
            self.received = b""
            self.answer.set_result((int(status[1]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def close(self) -> None:
        self.transport.close()


async def _rate(clients: list[Client], body: Callable[[], bytes], seconds: float) -> float:
    for client in clients:
        await client.open()
        await client.post(body())
    sent = 0
    end = time.perf_counter() + seconds

    async def work(client: Client) -> None:
        nonlocal sent
        while time.perf_counter() < end:
            await client.post(body())
            sent += 1

    began = time.perf_counter()
    await asyncio.gather(*(work(client) for client in clients))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return sent / took


def rate(
    url: str, key: str, path: str, body: Callable[[], bytes], *, clients: int, seconds: float
) -> float:
    """Answered posts a second, by so many clients at once."""
    made = [Client(url, key, path) for _ in range(clients)]
    return uvloop.run(_rate(made, body, seconds))
