"""Exceptions become problem details, with what is wrong and where."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar import get, post
from litestar.params import FromQuery, JSONBody
from litestar.testing import create_test_client

from netra.api import problems
from netra.api.call import Call
from netra.errors import InvalidEvents, NetraError, Problem, StoreUnavailable, TooLarge


class Body(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: list[dict[str, int]] = []


def answer(error: Exception) -> Any:
    """What a route that raises `error` answers."""

    @get("/", sync_to_thread=False)
    def fail() -> None:
        raise error

    with create_test_client(fail, exception_handlers={Exception: problems.respond}) as client:
        return client.get("/")


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (InvalidEvents("bad rows"), 422, "invalid-events"),
        (TooLarge("too much"), 413, "too-large"),
        (StoreUnavailable(), 503, "store-unavailable"),
        (NetraError(), 500, "internal-error"),
        (RecursionError("maximum recursion depth exceeded"), 400, "invalid-input"),
        (ValueError("a secret of the process"), 500, "internal-error"),
    ],
)
def test_each_error_has_its_status_and_name(error: Exception, status: int, slug: str) -> None:
    got = answer(error)
    assert got.status_code == status
    assert got.headers["content-type"] == "application/problem+json"
    body = got.json()
    assert body["type"] == f"https://netra.dev/problems/{slug}"
    assert body["status"] == status
    assert body["title"]
    assert "secret" not in got.text


def test_a_store_that_is_away_asks_to_come_again() -> None:
    assert answer(StoreUnavailable()).headers["retry-after"] == "1"


def test_what_was_got_is_shown_but_not_all_of_it() -> None:
    long = Problem(where="line 7, column 3", problem="too long", got="x" * 10_000, expected=5)
    (shown,) = answer(InvalidEvents("bad", [long])).json()["errors"]
    assert shown["where"] == "line 7, column 3"
    assert len(shown["got"]) < 300
    assert shown["expected"] == 5


@pytest.mark.parametrize(
    ("raw", "where", "got", "expected"),
    [
        (b"{}", "name", None, "text"),
        (b'{"name": 1}', "name", 1, "text"),
        (b'{"name": "a", "nope": 1}', "nope", 1, "one of: name, inner"),
        (b'{"name": "a", "inner": [{"x": 1}, {"x": "y"}]}', "inner[1].x", "y", "a whole number"),
        (b'{"name": "a", "inner": [{"x": "5"}]}', "inner[0].x", "5", "a whole number"),
        (b'{"name": "a\\u0000"}', "name", r"a\x00", None),
        (b'{"name": "a", "inner": [{"x\\u0000": 5}]}', "inner[0]", r"x\x00", None),
        (b"[]", "body", "[]", "an object"),
        (b"", "body", None, "an object"),
    ],
)
def test_a_body_that_does_not_fit_is_told_where_and_what_would_do(
    raw: bytes, where: str, got: Any, expected: str
) -> None:
    @post("/")
    async def take(data: JSONBody[Body]) -> None:
        return None

    answered = posted(take, raw)
    assert answered.status_code == 400
    (problem,) = answered.json()["errors"]
    assert (problem["where"], problem["got"], problem["expected"]) == (where, got, expected)


def posted(route: Any, raw: bytes) -> Any:
    with create_test_client(
        route, request_class=Call, exception_handlers={Exception: problems.respond}
    ) as client:
        return client.post("/", content=raw)


@post("/")
async def take_body(data: JSONBody[Body]) -> str:
    return data.name


def test_everything_that_is_wrong_in_a_body_is_told_at_once() -> None:
    answered = posted(take_body, b'{"nope": 1, "inner": [{"x": "y"}]}')
    assert [p["where"] for p in answered.json()["errors"]] == ["nope", "inner[0].x", "name"]


def test_a_backslash_before_it_makes_a_nul_mere_text() -> None:
    answered = posted(take_body, rb'{"name": "\\u0000"}')
    assert (answered.status_code, answered.text) == (201, r"\u0000")


def test_a_body_in_another_encoding_is_told_at_which_byte() -> None:
    answered = posted(take_body, '{"name": "caf\xe9"}'.encode("latin-1"))
    assert answered.status_code == 400
    assert answered.json()["detail"] == "the body is not UTF-8: byte 14 is 0xe9"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (rb"\ud800", r"\ud800 at byte 11 is half"),
        (rb"a\uDC00", r"\uDC00 at byte 12 is half"),
        (rb"\ud800\u0041", r"\ud800 at byte 11 is half"),
        (rb"\ud83d\ude00 \\ud800 \uD83D", r"\uD83D at byte 32 is half"),
    ],
)
def test_half_a_surrogate_pair_is_told_where_it_is(name: bytes, said: str) -> None:
    answered = posted(take_body, b'{"name": "' + name + b'"}')
    assert answered.status_code == 400
    assert said in answered.json()["detail"]


@pytest.mark.parametrize("raw", [rb'{"name": "\ud83d\ude00"', rb'{"name": "\\ud800"', b"{"])
def test_what_is_no_json_for_another_reason_is_not_told_of_surrogates(raw: bytes) -> None:
    detail = posted(take_body, raw).json()["detail"]
    assert detail.startswith("the body is not JSON")
    assert "surrogate" not in detail


def test_a_body_that_is_too_large_is_told_the_limit() -> None:
    @post("/", request_max_body_size=10)
    async def take_little(data: JSONBody[Body]) -> str:
        return data.name

    answered = posted(take_little, b'{"name": "abcdefgh"}')
    assert answered.status_code == 413
    assert "10 bytes" in answered.json()["detail"]


@pytest.mark.parametrize(
    ("query", "where", "got", "expected"),
    [("", "name", None, "text"), ("?name=a&empty=perhaps", "empty", "perhaps", "true or false")],
)
def test_a_parameter_that_does_not_fit_is_named(
    query: str, where: str, got: Any, expected: str
) -> None:
    @post("/")
    async def take(name: FromQuery[str], empty: FromQuery[bool] = False) -> None:
        return None

    with create_test_client(take, exception_handlers={Exception: problems.respond}) as client:
        answered = client.post(f"/{query}")
    assert answered.status_code == 400
    (problem,) = answered.json()["errors"]
    assert (problem["where"], problem["got"], problem["expected"]) == (where, got, expected)


def test_a_body_that_is_no_json_is_told_so() -> None:
    @post("/")
    async def take(data: JSONBody[Body]) -> None:
        return None

    with create_test_client(take, exception_handlers={Exception: problems.respond}) as client:
        got = client.post("/", content=b'{"name": ')
    assert got.status_code == 400
    assert got.json()["detail"].startswith("the body is not JSON")


def test_what_the_framework_says_is_said_in_the_same_shape() -> None:
    @get("/", sync_to_thread=False)
    def there() -> None:
        return None

    with create_test_client(there, exception_handlers={Exception: problems.respond}) as client:
        for got, status in ((client.get("/nope"), 404), (client.post("/"), 405)):
            assert got.status_code == got.json()["status"] == status
            assert got.headers["content-type"] == "application/problem+json"
