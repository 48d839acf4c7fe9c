"""Request bodies: framed by length or in chunks, perhaps compressed, read piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase
from typing import Any

from netra.errors import InvalidInput

_PIECE = 1 << 18


def pieces(headers: Message, source: BufferedIOBase) -> Iterator[bytes]:
    """The body of one request, decompressed, in pieces of some 100 kB.

    Raises:
        InvalidInput: its framing or its compression is broken or unknown.
    """
    raw = _framed(headers, source)
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return raw
    return _decompressed(raw, encoding)


def _framed(headers: Message, source: BufferedIOBase) -> Iterator[bytes]:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        while size := _chunk_size(source):
            yield from _exactly(source, size)
            source.readline()
        while source.readline().strip():
            continue  # trailers
        return
    length = headers.get("Content-Length", "0").strip()
    if not length.isdigit():
        raise InvalidInput(f"Content-Length is no number: {length!r}")
    yield from _exactly(source, int(length))


def _chunk_size(source: BufferedIOBase) -> int:
    line = source.readline(1024).split(b";")[0].strip()
    try:
        return int(line, 16)
    except ValueError:
        raise InvalidInput(f"the body's chunks are broken: {line!r} is no length") from None


def _exactly(source: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length:
        piece = source.read(min(length, _PIECE))
        if not piece:
            raise InvalidInput(f"the body ends {length} bytes early")
        length -= len(piece)
        yield piece


def _decompressed(raw: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Decompresses frames one after another: a client may send one for each block."""
    stream = _decompressor(encoding)
    fresh = True
    for piece in raw:
        while piece:
            try:
                out = stream.decompress(piece)
            except Exception as e:
                raise InvalidInput(f"the body is not {encoding}: {e}") from e
            fresh = False
            piece = b""
            if out:
                yield out
            if stream.eof:
                piece = stream.unused_data or b""
                stream, fresh = _decompressor(encoding), True
    if not fresh:
        raise InvalidInput(f"the body's {encoding} frame is cut short")


def _decompressor(encoding: str) -> Any:
    if encoding == "gzip":
        return zlib.decompressobj(31)
    if encoding == "deflate":
        return zlib.decompressobj()
    if encoding == "lz4":
        from lz4.frame import LZ4FrameDecompressor

        return LZ4FrameDecompressor()
    if encoding == "zstd":
        try:
            from compression import zstd  # pyright: ignore[reportMissingImports]
        except ImportError:
            from backports import zstd
        return zstd.ZstdDecompressor()
    raise InvalidInput(f"Content-Encoding {encoding!r} is not one of gzip, deflate, lz4, zstd")
