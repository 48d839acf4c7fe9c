from __future__ import annotations

import pytest

from netra.embedded.clickhouse import statement
from netra.embedded.clickhouse.statement import insert_with_rows


@pytest.mark.parametrize(
    ("query", "word"),
    [
        (b"select 1", b"SELECT"),
        (b"  -- insert\n /* alter */ (SELECT 1)", b"SELECT"),
        (b"# insert\nWITH x AS (SELECT 1) SELECT 1", b"WITH"),
        (b"'select' 1", b""),
        (b"", b""),
    ],
)
def test_first_word(query: bytes, word: bytes) -> None:
    assert statement.first_word(query) == word


@pytest.mark.parametrize(
    ("query", "format"),
    [
        (b"SELECT 1", "TSV"),
        (b"SELECT 1 FORMAT Native", "Native"),
        (b"SELECT 1\n format JSONEachRow ;\n", "JSONEachRow"),
        (b"SELECT 1 FORMAT ArrowStream SETTINGS max_threads = 1, x = 'y'", "ArrowStream"),
        (b"SELECT 'FORMAT Native'", "TSV"),
        (b"SELECT format FROM t", "TSV"),
        (b"SELECT 1 AS x FORMAT CSV UNION ALL SELECT 2", "TSV"),
        (b"SELECT " + b"1, " * 10_000 + b"1 FORMAT Native", "Native"),
    ],
)
def test_output_format(query: bytes, format: str) -> None:
    assert statement.output_format(query, "TSV") == format


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"SELECT 1 FORMAT Native", True),
        (b"SELECT 1 FORMAT ArrowStream", True),
        (b"WITH 1 AS x SELECT x FORMAT CSV", True),
        (b"SELECT 1 FORMAT JSON", False),  # one document: its pieces do not add up to one
        (b"SELECT 1 FORMAT CSVWithNames", False),  # every piece would repeat the names
        (b"SELECT 1 FORMAT Parquet", False),
        (b"SHOW TABLES FORMAT Native", False),
        (b"INSERT INTO t SELECT 1", False),
        (b"WITH 1 AS x INSERT INTO t SELECT x", False),
        (b"SELECT 1 INTO OUTFILE 'x' FORMAT CSV", False),
    ],
)
def test_only_what_can_be_joined_is_streamed(query: bytes, expected: bool) -> None:
    assert statement.streams(query, statement.output_format(query, "Native")) is expected


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", b"\x01\x02"),
        (b"insert into t format CSV\r\n1,2\n", b"1,2\n"),
        # A Native block of ten columns begins with a byte that is also a line end.
        (b"INSERT INTO t FORMAT Native\n\n\x01", b"\n\x01"),
        (b"INSERT INTO t (a, `FORMAT`) FORMAT TSV ; \nx", b"x"),
        (b"INSERT INTO t (a) VALUES (1), ('FORMAT')", b" (1), ('FORMAT')"),
        (b'INSERT /* FORMAT x */ INTO `a FORMAT b`."c" FORMAT TSV 1', b"1"),
        (b"INSERT INTO FUNCTION null('a Int8') FORMAT TSV\n1", b"1"),
    ],
)
def test_where_an_inserts_rows_begin(text: bytes, data: bytes) -> None:
    insert = insert_with_rows(text)
    assert insert
    assert text[insert.data_at :] == data


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t SELECT * FROM u FORMAT Native",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"INSERT INTO t FROM INFILE 'x' FORMAT Native",
        b"SELECT 1 FORMAT Native",
        b"INSERT INTO t (a, b",
    ],
)
def test_other_statements_bring_no_rows(text: bytes) -> None:
    assert insert_with_rows(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            b"INSERT INTO db.t (a, b) FORMAT Native\nxyz",
            b"INSERT INTO db.t (a, b) FROM INFILE '/it\\'s' FORMAT Native",
        ),
        (
            b"INSERT INTO t SETTINGS async_insert=1 FORMAT CSV\n1",
            b"INSERT INTO t FROM INFILE '/it\\'s' SETTINGS async_insert=1 FORMAT CSV",
        ),
        (b"INSERT INTO t VALUES (1)", b"INSERT INTO t FROM INFILE '/it\\'s' FORMAT Values"),
    ],
)
def test_the_same_insert_from_a_file(text: bytes, expected: bytes) -> None:
    insert = insert_with_rows(text)
    assert insert
    assert b" ".join(insert.from_file("/it's").split()) == expected
