"""A query parameter that a route does not take is refused before its body is read."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from litestar import get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.testing import create_test_client

from netra.api import problems
from netra.api.app import create_app, enter
from netra.api.authenticate import authenticate
from netra.api.query import OWN_QUERY, check_query


@post("/upload", status_code=200, sync_to_thread=False)
def upload(
    services: NamedDependency[int],
    name: FromQuery[str],
    kind: Annotated[str | None, QueryParameter(name="format")] = None,
) -> str:
    return f"{name} {kind}"


@get("/free", opt={OWN_QUERY: True}, sync_to_thread=False)
def free() -> str:
    return "anything"


@get("/named/{name:str}", sync_to_thread=False)
def named(name: FromPath[str]) -> str:
    return name


@get("/plain", sync_to_thread=False)
def plain() -> str:
    return "nothing"


def asked(method: str, path: str) -> Any:
    with create_test_client(
        [upload, free, named, plain],
        before_request=check_query,
        dependencies={"services": Provide(lambda: 1, sync_to_thread=False)},
        exception_handlers={Exception: problems.respond},
    ) as client:
        return client.request(method, path)


def test_known_parameters_pass_by_the_name_that_they_have_outside() -> None:
    assert asked("POST", "/upload?name=a&format=csv").text == "a csv"


@pytest.mark.parametrize(
    ("method", "path", "where", "expected"),
    [
        ("POST", "/upload?name=a&formt=csv", "formt", "one of: name, format"),
        ("POST", "/upload?name=a&kind=csv", "kind", "one of: name, format"),
        ("POST", "/upload?name=a&services=csv", "services", "one of: name, format"),
        ("GET", "/plain?formt=csv", "formt", "no parameter"),
    ],
)
def test_others_are_refused_by_name(method: str, path: str, where: str, expected: str) -> None:
    refused = asked(method, path)
    assert refused.status_code == 400
    assert refused.json()["errors"] == [
        {"where": where, "problem": "unknown parameter", "got": "csv", "expected": expected}
    ]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/upload?name=a%00b", "name"),
        ("/upload?name=a&format=%00", "format"),
        ("/free?label.a=%00", "label.a"),
        ("/free?label.%00=a", r"label.\x00"),
        ("/named/%00", "path"),
    ],
)
def test_a_nul_in_the_url_is_refused_by_name(path: str, where: str) -> None:
    refused = asked("POST" if path.startswith("/upload") else "GET", path)
    assert refused.status_code == 400, refused.text
    (problem,) = refused.json()["errors"]
    assert problem["where"] == where
    assert "NUL" in problem["problem"]
    assert "\0" not in problem["got"]


def test_a_route_may_look_at_its_query_itself() -> None:
    assert asked("GET", "/free?label.team=x").text == "anything"


def test_every_route_asks_for_a_key_and_those_of_the_api_look_at_the_query() -> None:
    """The nearest hook alone is called: one more on a controller would take the place of these."""
    for route in create_app().routes:
        for handler in getattr(route, "route_handlers", ()):
            expected = enter if route.path.startswith("/api/") else authenticate
            assert handler.resolve_before_request() is expected, route.path
