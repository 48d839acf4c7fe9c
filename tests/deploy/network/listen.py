"""Answers on ports, for those whose real program is elsewhere or not there yet.

`python listen.py '{"address": "10.77.0.2", "tcp": [8000], "names": {"host": "10.77.0.3"}}'`: takes
TCP connections and closes them; with `names` it is also a name server, over UDP on port 53.
Standard library alone: some twenty of these run at once.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys

_A, _NOERROR, _NXDOMAIN = 1, 0, 3


def main() -> None:
    asked = json.loads(sys.argv[1])
    chosen = selectors.DefaultSelector()
    for port in asked["tcp"]:
        server = socket.create_server((asked["address"], port))
        chosen.register(server, selectors.EVENT_READ, "tcp")
    if names := asked.get("names"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((asked["address"], 53))
        chosen.register(server, selectors.EVENT_READ, "dns")
    print("ready", flush=True)
    while True:
        for key, _ in chosen.select():
            server = key.fileobj
            assert isinstance(server, socket.socket)
            if key.data == "tcp":
                server.accept()[0].close()
            else:
                question, sender = server.recvfrom(512)
                server.sendto(answer(question, names), sender)


def answer(question: bytes, names: dict[str, str]) -> bytes:
    """The answer to one question for an address (RFC 1035): a name that is unknown has none."""
    end = question.index(b"\0", 12) + 5
    labels: list[str] = []
    at = 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    [kind] = struct.unpack("!H", question[end - 4 : end - 2])
    address = names.get(".".join(labels))
    code = _NOERROR if address else _NXDOMAIN
    found = bool(address and kind == _A)
    # Recursion desired and available, authoritative.
    head = question[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, found, 0, 0)
    record = b""
    if address and found:
        record = b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 5, 4) + socket.inet_aton(address)
    return head + question[12:end] + record


if __name__ == "__main__":
    main()
