"""An answer is, byte for byte, what the framework's own response would be."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Response, get
from litestar.testing import create_test_client

from netra.api.answer import Answer
from netra.schemas.health import Health

GIVEN: list[dict[str, Any]] = [
    {"content": Health(status="ok")},
    {"content": Health(status="ok"), "status_code": 202, "headers": {"Location": "/x", "X-A": "y"}},
    {"content": {"at": (1, 2.5)}, "media_type": "application/problem+json"},
    {"content": "# Title", "media_type": "text/markdown"},
    {"content": "", "media_type": "text/plain"},
    {"content": b"raw", "media_type": "application/octet-stream"},
    {"content": None},
    {"content": None, "status_code": 204},
]


@pytest.mark.parametrize("given", GIVEN)
def test_both_send_the_same(given: dict[str, Any]) -> None:
    def sent(kind: type[Response[Any]]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        @get("/", sync_to_thread=False)
        def handler() -> Response[Any]:
            return kind(**given)

        with create_test_client([handler]) as client:
            answer = client.get("/")
            return answer.status_code, answer.headers.raw, answer.content

    assert sent(Answer) == sent(Response)


def test_what_a_handler_returns_is_sent_the_same_way() -> None:
    @get("/", sync_to_thread=False)
    def handler() -> Health:
        return Health(status="ok")

    with (
        create_test_client([handler], response_class=Answer) as ours,
        create_test_client([handler]) as theirs,
    ):
        assert ours.get("/").headers.raw == theirs.get("/").headers.raw
        assert ours.get("/").json() == {"status": "ok"}
