"""WebSocket clients by the thousand in one process: what listens while `fanout` measures.

    python -m benchmarks.queue.followers < commands

Frames are read raw, and a fact is decoded once however many clients get it: the server is what is
measured. Commands and answers are JSON, one a line: `open` clients of a batch, `report` a phase
once all of its facts have come, `resume` those that did not read, `close` all.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
import time
from array import array
from collections import defaultdict
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np
import uvloop

from benchmarks.queue.clients import Client

#: What a client that does not read takes in before the server has to wait, bytes.
_STALLED_BUFFER = 4096
#: How long is waited for facts that are missing, seconds.
_PATIENCE_S = 15.0
#: Clients that connect at the same time.
_AT_ONCE = 50


class _Payload(msgspec.Struct):
    phase: int = -1
    #: When the fact's transaction began, seconds of the machine's monotonic clock.
    sent: float = 0.0


class _Seen(msgspec.Struct):
    """What is read of a message; clients share it, since they are sent the same bytes."""

    type: str
    job_id: str = ""
    seq: int = 0
    payload: _Payload = msgspec.field(default_factory=_Payload)


class Tally:
    """What all clients of this process got."""

    def __init__(self) -> None:
        self.late: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        #: Facts that were not the next of their job, at some client.
        self.gaps = 0
        self.errors: list[str] = []
        self._known: dict[bytes, _Seen] = {}
        self._read = msgspec.json.Decoder(_Seen).decode

    def read(self, raw: bytes) -> _Seen:
        seen = self._known.get(raw)
        if seen is None:
            if len(self._known) > 2000:
                self._known.clear()
            seen = self._known[raw] = self._read(raw)
        return seen


class Follower(asyncio.Protocol):
    """One client, from the handshake on."""

    def __init__(
        self, tally: Tally, host: str, ticket: str, batches: list[str], stalls: bool
    ) -> None:
        self.tally = tally
        self.request = (
            f"GET /ws?ticket={ticket} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            f"{base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        ).encode()
        self.batches = batches
        self.unknown = len(batches)
        self.stalls = stalls
        self.ready = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.last: dict[str, int] = {}
        self.open = self.over = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        buffer = self.buffer + data if self.buffer else data
        if not self.open:
            head, end, buffer = buffer.partition(b"\r\n\r\n")
            if not end:
                self.buffer = head
                return
            if b" 101 " not in head[:16]:
                self.ready.set_exception(ConnectionError(head[:200].decode()))
                return
            self.open = True
            for batch_id in self.batches:
                self._send(1, json.dumps({"type": "subscribe", "batch_id": batch_id}).encode())
        at = 0
        while (frame := _frame(buffer, at)) is not None:
            opcode, begin, at = frame
            if opcode == 9:
                self._send(10, buffer[begin:at])
            elif opcode == 1:
                self._take(buffer[begin:at], now)
        self.buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"closed: {exc}"))
        if not self.over:
            self.tally.errors.append(f"a client was disconnected: {exc}")

    def _take(self, raw: bytes, now: float) -> None:
        seen = self.tally.read(raw)
        if seen.type == "fact":
            last = self.last.get(seen.job_id)
            self.last[seen.job_id] = seen.seq
            if last is not None and seen.seq != last + 1:
                self.tally.gaps += 1
            self.tally.late[seen.payload.phase].append(now - seen.payload.sent)
        elif seen.type == "snapshot":
            for job in json.loads(raw)["jobs"]:
                self.last[job["id"]] = job["seq"]
            self.unknown -= not json.loads(raw)["more"]
            if not self.unknown:
                self.ready.set_result(None)
                if self.stalls:
                    self.transport.pause_reading()
        elif seen.type == "error":
            self.tally.errors.append(raw.decode())

    def _send(self, opcode: int, content: bytes) -> None:
        """A masked frame, as clients must."""
        assert len(content) < 126
        mask = os.urandom(4)
        masked = bytes(c ^ mask[i % 4] for i, c in enumerate(content))
        self.transport.write(bytes((0x80 | opcode, 0x80 | len(content))) + mask + masked)


class _Frame(NamedTuple):
    opcode: int
    begin: int
    end: int


def _frame(buffer: bytes, at: int) -> _Frame | None:
    """Where the frame that begins at `at` has its content; None until it is whole."""
    if len(buffer) < at + 2:
        return None
    size, begin = buffer[at + 1], at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        begin += width
        size = int.from_bytes(buffer[at + 2 : begin], "big")
    if len(buffer) < begin + size:
        return None
    return _Frame(buffer[at] & 15, begin, begin + size)


class Crowd:
    """All clients of this process, as told over standard input."""

    def __init__(self, url: str, key: str) -> None:
        self.parts = urlsplit(url)
        self.url, self.key = url, key
        #: Of clients that read, and of those that do not.
        self.tallies = {False: Tally(), True: Tally()}
        self.followers: list[Follower] = []

    async def open(self, batches: list[str], n: int, stalls: bool) -> None:
        """Opens clients, each with a ticket, and waits until they know where the batches stand."""
        for first in range(0, n, _AT_ONCE):
            # While the clients before were waited for, the server would have closed it.
            tickets = Client(self.url, self.key, "/api/v1/tickets")
            await tickets.open()
            some = []
            for _ in range(first, min(n, first + _AT_ONCE)):
                ticket = json.loads(await tickets.post(b"", accept=201))["ticket"]
                some.append(await self._connect(ticket, batches, stalls))
            tickets.close()
            await asyncio.gather(*(follower.ready for follower in some))
            self.followers += some

    async def _connect(self, ticket: str, batches: list[str], stalls: bool) -> Follower:
        loop = asyncio.get_running_loop()
        address = (self.parts.hostname or "", self.parts.port or 80)
        made = socket.socket()
        if stalls:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER)
        made.setblocking(False)
        await loop.sock_connect(made, address)
        _, follower = await loop.create_connection(
            lambda: Follower(self.tallies[stalls], address[0], ticket, batches, stalls), sock=made
        )
        return follower

    async def report(self, phase: int, expected: int, stalls: bool) -> dict[str, Any]:
        """What came of a phase, once it is all there or has been waited for."""
        tally = self.tallies[stalls]
        end = time.monotonic() + _PATIENCE_S
        while len(tally.late[phase]) < expected and time.monotonic() < end:
            await asyncio.sleep(0.05)
        late = np.array(tally.late[phase]) * 1e3
        return {
            "received": len(late),
            "p50_ms": float(np.percentile(late, 50)) if len(late) else None,
            "p99_ms": float(np.percentile(late, 99)) if len(late) else None,
            "gaps": tally.gaps,
            "errors": tally.errors[:3],
        }

    def close(self) -> None:
        """Closes every client, without a word."""
        for follower in self.followers:
            follower.over = True
            follower.transport.close()
        self.followers.clear()

    def resume(self) -> None:
        for follower in self.followers:
            if follower.stalls:
                follower.transport.resume_reading()


async def main() -> None:
    loop = asyncio.get_running_loop()
    crowd = Crowd(sys.argv[1], os.environ["NETRA_API_KEY"])
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        rest = {name: value for name, value in command.items() if name != "do"}
        answer: dict[str, Any] = {}
        if command["do"] == "open":
            await crowd.open(**rest)
        elif command["do"] == "report":
            answer = await crowd.report(**rest)
        elif command["do"] == "resume":
            crowd.resume()
        elif command["do"] == "close":
            crowd.close()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
