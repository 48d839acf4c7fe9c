"""A TCP proxy that makes links slow: `python -m tests.chaos.proxy ADDRESS DELAYS PORT …`.

It listens on each port of the address and passes on to the same port of the loopback. DELAYS is a
JSON file, `{client's address: seconds}`, that may change at any time; each way takes so long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

from netra.embedded.ports import LOOPBACK

_CHUNK = 1 << 16
#: Chunks under way in one direction of a connection; then its sender waits.
_UNDER_WAY = 256


class Delays:
    """What the file says now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at = 0.0
        self._seconds: dict[str, float] = {}

    def of(self, address: str) -> float:
        if time.monotonic() - self._read_at > 0.1:
            self._read_at = time.monotonic()
            self._seconds = json.loads(self.path.read_text())
        return self._seconds.get(address, 0.0)


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delays: Delays, address: str
) -> None:
    """Passes bytes on, each chunk when its time has come, and then the end."""
    chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)

    async def read() -> None:
        data = b"?"
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            await chunks.put((time.monotonic() + delays.of(address), data))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, data = await chunks.get()
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if not data:
                return
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        reading.cancel()
        with contextlib.suppress(OSError):
            writer.close()


async def serve(address: str, path: Path, ports: list[int]) -> None:
    delays = Delays(path)

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        client = writer.get_extra_info("peername")[0]
        try:
            back, forth = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            pump(reader, forth, delays, client), pump(back, writer, delays, client)
        )

    servers = [
        await asyncio.start_server(
            lambda r, w, port=port: connected(r, w, port), address, port, backlog=512
        )
        for port in ports
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    address, path, *ports = sys.argv[1:]
    asyncio.run(serve(address, Path(path), [int(port) for port in ports]))


if __name__ == "__main__":
    main()
