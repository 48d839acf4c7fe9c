"""Server-Sent Events, as the WHATWG HTML standard defines the stream: the part that Netra uses."""

from __future__ import annotations


class EventLines:
    """Puts lines together to messages."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def feed(self, line: str) -> str | None:
        """The data of the message that `line` completes, if it does."""
        if not line:
            message, self._lines = "\n".join(self._lines), []
            return message or None
        name, _, value = line.partition(":")
        if name == "data":
            self._lines.append(value.removeprefix(" "))
        # Comments (no name) keep the connection alive; ids and event names stand in the data too.
        return None
