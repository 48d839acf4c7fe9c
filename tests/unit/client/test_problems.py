from __future__ import annotations

import httpx
import pytest

from netra.client.problems import Unreachable, error_named, error_of
from netra.errors import (
    Conflict,
    InsufficientData,
    InvalidEvents,
    NetraError,
    NotFound,
    Problem,
    StoreUnavailable,
    TooLarge,
)
from tests.unit.client.memory_api import problem


def of(response: httpx.Response) -> NetraError:
    response.request = httpx.Request("GET", "http://api.test/x")
    return error_of(response)


def test_a_problem_becomes_the_exception_it_was() -> None:
    row = {"where": "line 7", "problem": "negative", "got": -1, "expected": "0 or more"}
    error = of(problem(422, "invalid-events", "bad rows", row))
    assert type(error) is InvalidEvents
    assert error.detail == "bad rows"
    assert list(error.errors) == [
        Problem(where="line 7", problem="negative", got=-1, expected="0 or more")
    ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (500, NetraError),
        (502, Unreachable),
        (503, StoreUnavailable),
        (504, Unreachable),
    ],
)
def test_an_answer_without_a_problem_goes_by_its_status(
    status: int, kind: type[NetraError]
) -> None:
    error = of(httpx.Response(status, text="<html>proxy</html>"))
    assert type(error) is kind
    assert str(status) in error.detail


def test_an_unknown_slug_goes_by_its_status() -> None:
    assert type(of(problem(503, "too-busy", "wait"))) is StoreUnavailable


def test_what_is_missing_is_kept() -> None:
    body = {"type": "x/insufficient-data", "detail": "no prices", "needs": ["cost_usd"]}
    error = of(httpx.Response(422, json=body))
    assert isinstance(error, InsufficientData)
    assert error.needs == ["cost_usd"]


def test_the_sockets_errors_go_by_slug() -> None:
    assert type(error_named("not-found", "no job")) is NotFound
    assert type(error_named("of the future", "?")) is NetraError
