"""HTTP clients that cost little, so that the server is what is measured: sockets kept open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit


class Client:
    """One connection; sends a body, reads the answer, and again."""

    def __init__(self, url: str, key: str, path: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    async def post(self, body: bytes, accept: int = 202) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: the answer's status is not `accept`.
        """
        self.writer.write(self.head + str(len(body)).encode() + b"\r\n\r\n" + body)
        head = await self.reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        answer = await self.reader.readexactly(length)
        if b" %d " % accept not in head[:20]:
            raise RuntimeError(answer.decode()[:500])
        return answer

    def close(self) -> None:
        self.writer.close()


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
    return asyncio.run(_rate(made, body, seconds))
