"""The embedded ClickHouse, spoken to as everybody does: with clickhouse-connect, and bare HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import clickhouse_connect
import numpy as np
import psutil
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from netra.embedded.info import StackInfo

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ["id", "ts", "model", "hashes", "attributes", "tokens", "text"]
TABLE = """
    CREATE TABLE {} (
        id UUID, ts DateTime64(6, 'UTC'), model LowCardinality(Nullable(String)),
        hashes Array(UInt64), attributes Map(LowCardinality(String), String),
        tokens Nullable(UInt32), text String
    ) ENGINE = MergeTree ORDER BY ts
"""


def connect(stores: StackInfo, **options: object) -> Client:
    parts = urlsplit(stores.clickhouse_url)
    defaults = {
        "host": parts.hostname,
        "port": parts.port,
        "username": parts.username,
        "password": parts.password,
        "tz_mode": "aware",
        "autogenerate_session_id": False,
    }
    return clickhouse_connect.get_client(**{**defaults, **options})  # pyright: ignore


@pytest.fixture(scope="module")
def database(stores: StackInfo) -> Iterator[str]:
    client = connect(stores)
    client.command("CREATE DATABASE http_test")
    yield "http_test"
    client.command("DROP DATABASE http_test")
    client.close()


@pytest.fixture
def client(stores: StackInfo, database: str) -> Iterator[Client]:
    made = connect(stores, database=database)
    yield made
    made.close()


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    client.command(TABLE.format(name))
    yield name
    client.command(f"DROP TABLE {name}")


def row(i: int) -> list[object]:
    """A row of every type, with NULLs, non-ASCII, and what quoting could trip over."""
    model = [None, "a", "b"][i % 3]
    attributes = {"k": f"v'{i}\\", "ü": "\n"} if i % 2 else {}
    tokens = None if i % 5 == 0 else i
    hashes = [i, 2**64 - 1 - i][: i % 3]
    return [uuid.UUID(int=i), START + timedelta(microseconds=i), model, hashes, attributes, tokens,
            f"é\t{i}"]  # fmt: skip


# -- inserts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_rows_of_every_type_come_back_as_they_went(
    stores: StackInfo, database: str, table: str, compress: bool | str
) -> None:
    rows = [row(i) for i in range(1000)]
    with connect(stores, database=database, compress=compress) as client:
        summary = client.insert(table, rows, column_names=COLUMNS)
        assert summary.written_rows == 1000
        back = client.query(f"SELECT * FROM {table} ORDER BY ts").result_rows
    assert [list(r) for r in back] == rows


def test_100k_rows(client: Client, table: str) -> None:
    ids = np.arange(100_000)
    columns = {"ts": pa.array(ids, pa.timestamp("us", "UTC")), "tokens": pa.array(ids, pa.uint32())}
    assert client.insert_arrow(table, pa.table(columns)).written_rows == 100_000
    assert client.query_arrow(f"SELECT sum(tokens) AS s FROM {table}")["s"].to_pylist() == [
        int(ids.sum())
    ]
    client.insert(table, [[START, i] for i in range(100_000)], column_names=["ts", "tokens"])
    assert client.command(f"SELECT count() FROM {table}") == 200_000


def test_an_arrow_table_comes_back_whole(client: Client, table: str) -> None:
    client.insert(table, [row(i) for i in range(500)], column_names=COLUMNS)
    # Arrow has no UUID that ClickHouse reads back, so it takes the other columns.
    names = ", ".join(COLUMNS[1:])
    first = client.query_arrow(f"SELECT {names} FROM {table} ORDER BY ts")
    client.command(f"TRUNCATE TABLE {table}")
    # In plain Arrow text, ClickHouse takes a NULL for a LowCardinality(Nullable) column as ''.
    model = first["model"].dictionary_encode()
    first = first.set_column(first.schema.get_field_index("model"), "model", model)
    client.insert_arrow(table, first)
    second = client.query_arrow(f"SELECT {names} FROM {table} ORDER BY ts")
    assert second.to_pylist() == first.to_pylist()


def test_an_insert_larger_than_memory_should_hold(
    stores: StackInfo, client: Client, table: str
) -> None:
    """It goes through a file: the server grows by far less than the 200 MB it is sent."""
    server = psutil.Process(stores.pids["clickhouse"])
    words = pa.array(["x" * 92] * 100_000)
    times = pa.array(np.zeros(100_000, np.int64), pa.timestamp("us", "UTC"))
    batch = pa.record_batch({"ts": times, "text": words})
    before = server.memory_info().rss
    grown: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            grown.append(server.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        summary = client.insert_arrow(table, pa.Table.from_batches([batch] * 20))
    finally:
        over.set()
        watcher.join()
    assert summary.written_rows == 2_000_000
    assert client.command(f"SELECT count(), sum(length(text)) FROM {table}") == [
        "2000000",
        str(2_000_000 * 92),
    ]
    assert max(grown) < 600e6
    spool = stores.home / "clickhouse" / "spool"
    assert list(spool.iterdir()) == [], "no upload is left"


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("JSONEachRow", '{"ts": "2026-01-01 00:00:00.000001", "tokens": 7}\n{"text": "x"}\n'),
        ("CSVWithNames", "tokens,text\n7,x\n\\N,y\n"),
        ("TSV", "7\tx\n\\N\ty\n"),
    ],
)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_raw_inserts(
    client: Client, table: str, format: str, content: str, compression: str | None
) -> None:
    body = gzip.compress(content.encode()) if compression else content
    columns = ["tokens", "text"] if format == "TSV" else None
    summary = client.raw_insert(table, columns, body, fmt=format, compression=compression)
    assert summary.written_rows == 2
    assert client.command(f"SELECT count() FROM {table}") == 2


def test_insert_select_and_both_deletes(client: Client, table: str) -> None:
    client.command(f"INSERT INTO {table} (tokens) SELECT number FROM numbers(1000)")
    client.command(f"ALTER TABLE {table} DELETE WHERE tokens < 300", settings={"mutations_sync": 1})
    assert client.command(f"SELECT count() FROM {table}") == 700
    client.command(f"DELETE FROM {table} WHERE tokens < 500")
    assert client.command(f"SELECT count(), min(tokens) FROM {table}") == ["500", "500"]
    summary = client.query(f"INSERT INTO {table} SELECT * FROM {table}").summary
    assert "written_rows" not in summary, "the engine does not count them, so neither do we"


# -- queries ------------------------------------------------------------------------------------


def test_parameters_of_every_kind(client: Client) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789_012, UTC)
    given = {"s": "it's\\ \t\n{x}", "n": None, "a": ["'", "b,c"], "t": moment, "u": 2**64 - 1}
    query = """SELECT {s:String}, {n:Nullable(String)}, {a:Array(String)}, {t:DateTime64(6)},
                      {u:UInt64}"""
    found = client.query(query, parameters=given).result_rows[0]
    assert found[:3] == (given["s"], None, given["a"])
    assert found[3:] == (moment, given["u"])


def test_many_parameters_go_in_a_form(client: Client) -> None:
    wanted = list(range(0, 200_000, 2))
    query = "SELECT count() FROM numbers(200000) WHERE number IN {ids:Array(UInt64)}"
    assert client.query(query, parameters={"ids": wanted}).result_rows == [(100_000,)]


def test_an_empty_result_has_its_columns(client: Client, table: str) -> None:
    assert client.query(f"SELECT * FROM {table}").result_rows == []
    assert client.query(f"SELECT ts, tokens FROM {table} LIMIT 0").column_names == ("ts", "tokens")
    assert client.query_arrow(f"SELECT ts, tokens FROM {table}").schema.names == ["ts", "tokens"]
    assert client.raw_query(f"SELECT ts FROM {table}", fmt="CSVWithNames") == b'"ts"\n'


def test_long_results_are_streamed_whole_and_in_order(client: Client) -> None:
    query = "SELECT number, toString(number) AS s FROM numbers(500000) ORDER BY number"
    with client.query_arrow_stream(query) as batches:
        table = pa.Table.from_batches(list(batches))
    assert table["number"].to_pylist() == list(range(500_000))
    with client.query_row_block_stream(query) as blocks:
        assert sum(n for block in blocks for n, _ in block) == sum(range(500_000))


@pytest.mark.parametrize("format", ["CSVWithNames", "JSONCompact", "Parquet"])
def test_formats_that_cannot_be_joined_come_whole(client: Client, format: str) -> None:
    content = client.raw_query("SELECT number FROM numbers(200000)", fmt=format)
    if format == "CSVWithNames":
        assert content.count(b'"number"') == 1
    elif format == "JSONCompact":
        assert json.loads(content)["rows"] == 200_000
    else:
        assert content.count(b"PAR1") == 2


def test_a_result_left_unread_hinders_nobody(client: Client) -> None:
    with client.query_arrow_stream("SELECT number FROM numbers(100000000000)") as batches:
        next(iter(batches))
    assert client.command("SELECT 1") == 1


def test_settings_hold_for_one_query_and_unknown_ones_are_ignored(client: Client, raw: Raw) -> None:
    asked = "SELECT getSetting('max_block_size')"
    usual = client.command(asked)
    assert client.command(asked, settings={"max_block_size": 1234}) == 1234
    assert client.command(asked) == usual
    assert raw("SELECT 1", no_such_setting="x") == (200, b"1\n")


def test_clients_do_not_wait_for_each_other(stores: StackInfo, client: Client) -> None:
    slow = threading.Thread(target=client.command, args=("SELECT sleep(3)",))
    slow.start()
    time.sleep(0.2)
    with connect(stores) as other:
        assert other.command("SELECT 1") == 1
        assert other.ping()
    assert slow.is_alive(), "the others were answered first"
    slow.join()


def test_four_threads_at_once(client: Client, table: str) -> None:
    failures: list[Exception] = []

    def work(k: int) -> None:
        try:
            for i in range(20):
                client.insert(table, [[k, f"{i}"]], column_names=["tokens", "text"])
                query = f"SELECT count() FROM {table} WHERE tokens = {{k:UInt32}}"
                assert client.query(query, parameters={"k": k}).result_rows == [(i + 1,)]
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert client.command(f"SELECT count() FROM {table}") == 80


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code", "name"),
    [
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE"),
        ("SELECT (1", 62, "SYNTAX_ERROR"),
        ("SELECT no_such_function()", 46, "UNKNOWN_FUNCTION"),
        ("SELECT {x:UInt8}", 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT throwIf(number = 5) FROM numbers(10)", 395, "FUNCTION_THROW_IF"),
    ],
)
def test_errors_carry_clickhouses_code(client: Client, query: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError, match=name) as e:
        client.query(query)
    assert e.value.code == code


def test_an_error_late_in_a_long_result_is_an_error(client: Client) -> None:
    query = "SELECT number, throwIf(number = 900000) FROM numbers(1000000)"
    with (
        pytest.raises(Exception, match="throwIf"),
        client.query_row_block_stream(query, settings={"max_threads": 1}) as blocks,
    ):
        for _ in blocks:
            pass
    assert client.command("SELECT 1") == 1


def test_a_refused_insert_leaves_nothing(client: Client, table: str) -> None:
    with pytest.raises(DatabaseError, match="CANNOT_PARSE"):
        client.raw_insert(table, ["tokens"], "1\nx\n", fmt="TSV")
    assert client.command(f"SELECT count() FROM {table}") == 0


@pytest.mark.parametrize(("user", "password"), [("netra", "wrong"), ("default", ""), ("", "")])
def test_only_with_the_password(stores: StackInfo, user: str, password: str) -> None:
    with pytest.raises(DatabaseError, match="516"):
        connect(stores, username=user, password=password)


# -- bare HTTP ----------------------------------------------------------------------------------


class Raw:
    """One kept connection: `raw(query, body, setting=…)` -> status and body."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self.headers = {"X-ClickHouse-User": parts.username, "X-ClickHouse-Key": parts.password}

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def __call__(
        self, query: str = "", body: object = None, path: str = "/", **settings: str
    ) -> tuple[int, bytes]:
        address = path + "?" + urlencode({**settings, **({"query": query} if query else {})})
        method = "GET" if body is None else "POST"
        self.connection.request(method, address, body, self.headers)  # pyright: ignore
        answer = self.connection.getresponse()
        self.last = answer
        return answer.status, answer.read()


@pytest.fixture
def raw(stores: StackInfo) -> Iterator[Raw]:
    with Raw(stores.clickhouse_url) as made:
        yield made


def test_ping_needs_no_password(stores: StackInfo) -> None:
    with Raw(stores.clickhouse_url) as raw:
        raw.headers = {}
        assert raw(path="/ping") == (200, b"Ok.\n")
        assert raw("SELECT 1")[0] == 403
        assert raw.last.headers["X-ClickHouse-Exception-Code"] == "516"


def test_one_connection_serves_on_after_errors(raw: Raw) -> None:
    for _ in range(3):
        assert raw("SELECT nowhere")[0] == 404
        assert raw("", b"SELECT (", max_threads="1")[0] == 400
        assert raw(path="/nowhere")[0] == 404
        assert raw("SELECT 1 FORMAT JSONEachRow") == (200, b'{"1":1}\n')


def test_headers_tell_what_was_done(raw: Raw) -> None:
    assert raw("SELECT number FROM numbers(3)", query_id="mine", default_format="CSV")[0] == 200
    headers = raw.last.headers
    assert headers["X-ClickHouse-Query-Id"] == "mine"
    assert headers["X-ClickHouse-Format"] == "CSV"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert json.loads(headers["X-ClickHouse-Summary"])["read_rows"] == "3"


def test_a_body_in_chunks_with_the_query_in_the_address(raw: Raw, table: str) -> None:
    chunks = (f"{i}\n".encode() for i in range(800_000))
    insert = f"INSERT INTO {table} (tokens) FORMAT TSV"
    grouped = (b"".join(part) for part in zip(*[chunks] * 1000, strict=True))
    assert raw(insert, grouped, database="http_test") == (200, b"")
    assert json.loads(raw.last.headers["X-ClickHouse-Summary"])["written_rows"] == "800000"
    assert raw(f"SELECT sum(tokens) FROM http_test.{table}") == (200, b"319999600000\n")


def test_query_and_rows_in_one_body(raw: Raw, table: str) -> None:
    insert = f"INSERT INTO http_test.{table} (tokens) VALUES (1), (2)"
    assert raw("", insert.encode()) == (200, b"")
    assert raw(f"SELECT sum(tokens) FROM http_test.{table}") == (200, b"3\n")


@pytest.mark.parametrize(
    ("settings", "body", "status"),
    [
        ({"compress": "1"}, b"SELECT 1", 404),
        ({"database": "nowhere"}, b"SELECT 1", 404),
        ({"max_threads": "many"}, b"SELECT 1", 400),
    ],
)
def test_bad_requests_are_refused(
    raw: Raw, settings: dict[str, str], body: bytes, status: int
) -> None:
    found, text = raw("", body, **settings)
    assert (found, text[:6]) == (status, b"Code: ")
    assert raw("SELECT 1") == (200, b"1\n")
