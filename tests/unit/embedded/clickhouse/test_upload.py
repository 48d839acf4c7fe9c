from __future__ import annotations

import re
from pathlib import Path

import pytest

from netra.embedded.clickhouse import upload
from netra.embedded.clickhouse.upload import received
from netra.errors import TooLarge


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "INLINE_BYTES", 1000)
    monkeypatch.setattr(upload, "STATEMENT_BYTES", 5000)


def test_short_ones_stay_in_memory(tmp_path: Path) -> None:
    with received(b"INSERT INTO t FORMAT TSV", iter([b"1\n", b"2\n"]), tmp_path) as text:
        assert text == b"INSERT INTO t FORMAT TSV\n1\n2\n"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_address", [True, False])
def test_long_inserts_go_through_a_file(tmp_path: Path, in_address: bool) -> None:
    rows = [b"%d\n" % i for i in range(2000)]
    query = b"INSERT INTO t (a) FORMAT TSV"
    body = rows if in_address else [query + b"\n", *rows]
    with received(query if in_address else b"", iter(body), tmp_path) as text:
        found = re.fullmatch(rb"INSERT INTO t \(a\) FROM INFILE '(.+)'  FORMAT TSV", text)
        assert found
        assert Path(found.group(1).decode()).read_bytes() == b"".join(rows)
    assert list(tmp_path.iterdir()) == [], "the file is gone"


def test_the_file_is_gone_after_an_error(tmp_path: Path) -> None:
    body = iter([b"INSERT INTO t FORMAT TSV\n", b"1\n" * 1000])
    with pytest.raises(RuntimeError), received(b"", body, tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_long_statements_of_other_kinds_stay_in_memory(tmp_path: Path) -> None:
    body = [b"SELECT 1 IN (", b"1, " * 900, b"1)"]
    with received(b"", iter(body), tmp_path) as text:
        assert text == b"".join(body)


def test_endless_statements_are_refused(tmp_path: Path) -> None:
    body = (b"SELECT 1 IN (" if i == 0 else b"1, " * 100 for i in range(10**6))
    with pytest.raises(TooLarge), received(b"", body, tmp_path):
        pytest.fail("it was taken")
