"""Joins Arrow streams of one schema into one stream."""

from __future__ import annotations

from collections.abc import Iterator

#: Four bytes of ones mark a message; a length of zero ends the stream (Arrow IPC format).
_MARK = b"\xff\xff\xff\xff"
_END = _MARK + bytes(4)


def joined(streams: Iterator[bytes]) -> Iterator[bytes]:
    """One Arrow IPC stream out of several whole ones: the first one's schema, all batches.

    The engine writes no dictionaries unless asked to (`low_cardinality_as_dictionary`), so after
    the schema, which has no body, there are only record batches.
    """
    first = True
    for stream in streams:
        stream = stream.removesuffix(_END)
        yield stream if first else stream[_schema_length(stream) :]
        first = False
    if not first:
        yield _END


def _schema_length(stream: bytes) -> int:
    if not stream.startswith(_MARK):
        raise ValueError(f"no Arrow stream: it begins with {stream[:8]!r}")
    return 8 + int.from_bytes(stream[4:8], "little")
