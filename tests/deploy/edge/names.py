"""A name server of a few lines: what Compose's own would answer for the services."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

_NO_SUCH_NAME = 0x8183
_ANSWERED = 0x8180


class NameServer:
    """Answers IPv4 addresses of `names`, which may be changed while it runs."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self.names = {name: list(addresses) for name, addresses in names.items()}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An empty datagram ends the loop.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            asked, sender = self._socket.recvfrom(512)
            if not asked:
                return
            self._socket.sendto(self._answer(asked), sender)

    def _answer(self, asked: bytes) -> bytes:
        labels, at = [], 12
        while asked[at]:
            labels.append(asked[at + 1 : at + 1 + asked[at]].decode())
            at += 1 + asked[at]
        question = asked[12 : at + 5]
        addresses = self.names.get(".".join(labels), [])
        flags = _ANSWERED if addresses else _NO_SUCH_NAME
        records = b"".join(
            # The name of the question, type A, class IN, 1 s, four bytes.
            struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address)
            for address in addresses
        )
        return (
            asked[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0) + question + records
        )
