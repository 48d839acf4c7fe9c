from __future__ import annotations

import io
from pathlib import Path

import pytest

from netra.backup import redis
from netra.backup.errors import BackupFailed
from netra.settings import Redis


def test_the_copy_ends_where_the_server_said(tmp_path: Path) -> None:
    redis._copy(io.BytesIO(b"REDIS0011datamore"), 13, tmp_path / "rdb")
    assert (tmp_path / "rdb").read_bytes() == b"REDIS0011data"


@pytest.mark.parametrize(
    ("sent", "size", "words"),
    [(b"REDIS0011da", 13, "2 bytes before the end"), (b"something else", 14, "no RDB file")],
)
def test_what_is_no_whole_copy_is_refused(
    tmp_path: Path, sent: bytes, size: int, words: str
) -> None:
    with pytest.raises(BackupFailed, match=words):
        redis._copy(io.BytesIO(sent), size, tmp_path / "rdb")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://h:1/0", b""),
        ("redis://:a%2Fb@h:1/0", b"*2\r\n$4\r\nAUTH\r\n$3\r\na/b\r\n"),
        ("redis://me:pw@h:1/0", b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n"),
    ],
)
def test_credentials_of_the_url(url: str, said: bytes) -> None:
    assert redis._credentials(Redis(url=url)) == said
