from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from email.message import Message
from io import BytesIO

import lz4.frame
import pytest

from netra.embedded.clickhouse.body import pieces
from netra.errors import InvalidInput

CONTENT = bytes(range(256)) * 5000


def headers(**values: str) -> Message:
    made = Message()
    for name, value in values.items():
        made[name.replace("_", "-")] = value
    return made


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x;ext\r\n%s\r\n" % (len(p), p) for p in (*parts, b""))


def test_by_length_and_no_further() -> None:
    source = BytesIO(CONTENT + b"next request")
    assert b"".join(pieces(headers(Content_Length=str(len(CONTENT))), source)) == CONTENT
    assert source.read() == b"next request"


def test_without_a_body() -> None:
    assert list(pieces(headers(), BytesIO(b"next request"))) == []


def test_in_chunks_with_trailers() -> None:
    text = chunked(CONTENT[:1], CONTENT[1:70_000], CONTENT[70_000:])[:-2]
    source = BytesIO(text + b"X-Trailer: 1\r\n\r\nnext request")
    assert b"".join(pieces(headers(Transfer_Encoding="chunked"), source)) == CONTENT
    assert source.read() == b"next request"


def zstd(content: bytes) -> bytes:
    return pytest.importorskip("backports.zstd").compress(content)


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("lz4", lz4.frame.compress),
        ("zstd", zstd),
    ],
)
def test_compressed_in_several_frames(name: str, compress: Callable[[bytes], bytes]) -> None:
    body = compress(CONTENT[:100_000]) + compress(CONTENT[100_000:])
    given = headers(Content_Length=str(len(body)), Content_Encoding=name)
    assert b"".join(pieces(given, BytesIO(body))) == CONTENT
    cut = headers(Content_Length=str(len(body) - 20), Content_Encoding=name)
    with pytest.raises(InvalidInput, match="cut short"):
        list(pieces(cut, BytesIO(body)))


@pytest.mark.parametrize(
    ("given", "body", "problem"),
    [
        ({"Content_Length": "x"}, b"", "Content-Length"),
        ({"Content_Length": "5"}, b"abc", "2 bytes early"),
        ({"Transfer_Encoding": "chunked"}, b"zz\r\n", "no length"),
        ({"Content_Length": "3", "Content_Encoding": "gzip"}, b"abc", "not gzip"),
        ({"Content_Length": "3", "Content_Encoding": "br"}, b"abc", "gzip, deflate, lz4, zstd"),
    ],
)
def test_broken_bodies(given: dict[str, str], body: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        list(pieces(headers(**given), BytesIO(body)))
