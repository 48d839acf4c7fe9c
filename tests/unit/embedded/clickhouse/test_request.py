from __future__ import annotations

import base64
from email.message import Message

import pytest

from netra.embedded.clickhouse import request
from netra.errors import InvalidInput


def headers(**values: str) -> Message:
    made = Message()
    for name, value in values.items():
        made[name.replace("_", "-")] = value
    return made


def test_parameters_settings_and_the_rest_are_told_apart() -> None:
    given = request.parameters(
        "/?query=SELECT+%7Bx%3AString%7D&param_x=it%27s&database=d&max_threads=1&session_id=s"
        "&default_format=CSV&client_protocol_version=54405&query_id=q"
    )
    asked = request.read(given, headers())
    assert asked.query == b"SELECT {x:String}"
    assert asked.query_id == "q"
    assert asked.context.parameters == {"x": "it's"}
    assert asked.context.settings == {"max_threads": "1"}
    assert (asked.context.database, asked.context.format) == ("d", "CSV")


def test_bytes_that_are_no_text_survive() -> None:
    asked = request.read(request.parameters("/?query=SELECT+%27%FF%27"), headers())
    assert asked.query == b"SELECT '\xff'"


def test_headers_stand_in_for_parameters() -> None:
    asked = request.read({}, headers(X_ClickHouse_Database="d", X_ClickHouse_Format="CSV"))
    assert (asked.context.database, asked.context.format) == ("d", "CSV")
    assert request.read({}, headers()).context.format == "TabSeparated"


@pytest.mark.parametrize("name", ["compress", "decompress"])
def test_clickhouses_own_compression_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        request.read({name: "1"}, headers())
    assert request.read({name: "0"}, headers())


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("given", "sent", "expected"),
    [
        ({}, {"Authorization": basic("u:p:q")}, ("u", "p:q")),
        ({}, {"Authorization": "Basic ***"}, ("", "")),
        ({}, {"X_ClickHouse_User": "u", "X_ClickHouse_Key": "p"}, ("u", "p")),
        ({"user": "u", "password": "p"}, {}, ("u", "p")),
        ({}, {}, ("default", "")),
    ],
)
def test_credentials(
    given: dict[str, str], sent: dict[str, str], expected: tuple[str, str]
) -> None:
    assert request.credentials(given, headers(**sent)) == expected


def test_form_fields() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\n\xc3\xa4\r\n b\r\n--x--\r\n'
    )
    fields = request.form("multipart/form-data; boundary=x", body)
    assert fields == {"query": "SELECT {a:String}", "param_a": "ä\r\n b"}


def test_external_tables_are_refused() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n1\r\n--x--\r\n'
    with pytest.raises(InvalidInput, match="external tables"):
        request.form("multipart/form-data; boundary=x", body)
