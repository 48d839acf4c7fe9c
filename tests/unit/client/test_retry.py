from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from netra.client.problems import Unreachable
from netra.client.request import Request, as_text
from netra.client.retry import Outcome, Pause, Retry, Send, exchange
from netra.errors import NetraError, StoreUnavailable

ONCE = Request(method="POST", path="/x", read=as_text)
AGAIN = Request(method="GET", path="/x", read=as_text, repeatable=True)


def answer(status: int, text: str = "", **headers: str) -> httpx.Response:
    request = httpx.Request("GET", "http://api.test/x")
    return httpx.Response(status, text=text, headers=headers, request=request)


def run(
    request: Request[str], outcomes: list[Outcome], retry: Retry | None = None
) -> tuple[str, list[float]]:
    """The answer, and the pauses before it; time passes only in pauses."""
    clock = [0.0]
    pauses: list[float] = []
    left: Iterator[Outcome] = iter(outcomes)
    steps = exchange(request, retry or Retry(patience_s=10), now=lambda: clock[0])
    outcome: Outcome = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            assert next(left, None) is None, "answers were left over"
            return end.value, pauses
        if isinstance(step, Pause):
            pauses.append(step.seconds)
            clock[0] += step.seconds
            outcome = None
        else:
            assert isinstance(step, Send)
            outcome = next(left)


def test_a_store_that_is_away_is_waited_for() -> None:
    text, pauses = run(AGAIN, [answer(503), answer(503), answer(200, "here")])
    assert text == "here"
    assert len(pauses) == 2
    assert 0.05 <= pauses[0] <= 0.1 <= pauses[1] <= 0.2


def test_who_watches_is_told_of_an_outage_and_of_its_end() -> None:
    told: list[str | None] = []
    outcomes = [httpx.ConnectError("refused"), answer(502), answer(200)]
    run(AGAIN, outcomes, Retry(told=told.append))
    assert told == [
        "the API does not answer: refused",
        "GET http://api.test/x was answered with 502 Bad Gateway",
        None,
    ]


def test_what_must_not_be_repeated_is_not() -> None:
    with pytest.raises(StoreUnavailable):
        run(ONCE, [answer(503)])
    with pytest.raises(Unreachable):
        run(ONCE, [httpx.ReadError("gone")])


def test_a_request_that_never_arrived_is_always_sent_again() -> None:
    text, _ = run(ONCE, [httpx.ConnectError("refused"), answer(200, "here")])
    assert text == "here"


def test_an_error_of_the_request_is_not_tried_again() -> None:
    with pytest.raises(NetraError):
        run(AGAIN, [answer(500)])


def test_patience_ends() -> None:
    refused: list[Outcome] = [httpx.ConnectError("refused")] * 100
    with pytest.raises(Unreachable, match="refused"):
        run(AGAIN, refused, Retry(first_s=1, longest_s=1, patience_s=3))
    with pytest.raises(Unreachable):
        run(AGAIN, refused[:1], Retry(patience_s=0))


def test_the_server_says_when_to_come_back() -> None:
    _, pauses = run(AGAIN, [answer(429, **{"Retry-After": "4"}), answer(200)])
    assert pauses == [4.0]
