"""RESP2, Redis's protocol, as far as it is spoken here: commands out, answers in.

What is said with each stage and what followers are told is read and written by the thousand, and
little of it matters to whoever reads it: this takes a tenth of the time that a client takes.
Connections are made by redis-py, which knows about passwords, TLS and sockets of all kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Command: TypeAlias = Sequence[str | bytes | int]
Answer: TypeAlias = "bytes | int | Refusal | list[Answer] | None"


class Refusal(Exception):
    """What the server says instead of an answer; also, that what it says is no RESP2."""


def packed(commands: Sequence[Command]) -> bytes:
    """Commands as Redis is sent them."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            raw = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


class Answers:
    """Counts answers in what is read of a RESP2 connection: numbers, words, strings of one line.

    These are all that PUBLISH, XADD, EXPIRE, LPUSH and a script that gives a number are answered
    with.
    """

    def __init__(self) -> None:
        #: The beginning of a line that is not whole yet.
        self._rest = b""
        #: Whether the next line is a string whose length was read.
        self._string = False

    def count(self, read: bytes) -> int:
        """How many answers end in what was read.

        Raises:
            Refusal: one of them is one.
        """
        *lines, self._rest = (self._rest + read).split(b"\r\n")
        n = 0
        for line in lines:
            if self._string:
                self._string = False
            elif line.startswith(b"-"):
                raise Refusal(line[1:].decode(errors="replace"))
            elif line.startswith(b"$") and line != b"$-1":
                self._string = True
                continue
            n += 1
        return n


class Replies:
    """Reads whole answers, however they arrive in pieces."""

    def __init__(self) -> None:
        #: The beginning of an answer that is not whole yet.
        self._rest = b""

    def feed(self, read: bytes) -> list[Answer]:
        """The answers that end in what was read. A refusal is among them, not raised.

        Raises:
            Refusal: this is no RESP2.
        """
        data = self._rest + read
        found: list[Answer] = []
        at = 0
        try:
            while (whole := _answer(data, at)) is not None:
                one, at = whole
                found.append(one)
        except ValueError as e:
            raise Refusal(f"no RESP2: {e}") from e
        self._rest = data[at:]
        return found


def _answer(data: bytes, at: int) -> tuple[Answer, int] | None:
    """The answer that begins there, and where the next one does; None: it is not whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    kind, line, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"$":
        length = int(line)
        if length < 0:
            return None, after
        end = after + length
        return (data[after:end], end + 2) if len(data) >= end + 2 else None
    if kind == b"*":
        items: list[Answer] = []
        for _ in range(int(line)):
            whole = _answer(data, after)
            if whole is None:
                return None
            one, after = whole
            items.append(one)
        return items, after
    if kind == b"+":
        return line, after
    if kind == b":":
        return int(line), after
    if kind == b"-":
        return Refusal(line.decode(errors="replace")), after
    raise Refusal(f"no answer of RESP2 begins with {kind!r}")
