from __future__ import annotations

import json

import httpx
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus
from websockets.http11 import Response

from netra.client.connection import (
    judge_socket,
    judge_stream,
    socket_url,
    stream_headers,
    subscription,
)
from netra.client.follow import Barred, Lost, Open, Position
from netra.errors import NotFound, Unauthorized


def refused(status: int) -> InvalidStatus:
    body = b'{"type": "x/unauthorized", "detail": "the key was revoked"}'
    return InvalidStatus(Response(status, "", Headers(), body))


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws"),
        ("https://netra.example/below", "wss://netra.example/below/ws"),
    ],
)
def test_the_socket_is_beside_the_api(url: str, socket: str) -> None:
    assert socket_url(url) == socket


def test_a_subscription_names_its_position_once_there_is_one() -> None:
    fresh = json.loads(subscription(Open("socket", "j", Position())))
    assert fresh["type"] == "subscribe"
    assert (fresh["job_id"], fresh["epoch"], fresh["after_seq"]) == ("j", None, 0)
    again = json.loads(subscription(Open("socket", "j", Position(2, 7))))
    assert (again["epoch"], again["after_seq"]) == (2, 7)


def test_a_stream_resumes_by_its_last_id() -> None:
    assert "Last-Event-ID" not in stream_headers(Position())
    assert stream_headers(Position(2, 7))["Last-Event-ID"] == "2-7"


@pytest.mark.parametrize(
    ("error", "judgement"),
    [
        (refused(503), Lost),
        (refused(404), Barred),
        (refused(426), Barred),
        (InvalidMessage("not HTTP"), Barred),
        (TimeoutError(), Barred),
        (ConnectionRefusedError("refused"), Lost),
        (ConnectionClosedError(None, None), Lost),
    ],
)
def test_a_failed_socket_is_tried_again_or_given_up(error: Exception, judgement: type) -> None:
    assert isinstance(judge_socket(error), judgement)


def test_a_refused_caller_is_told_so() -> None:
    with pytest.raises(Unauthorized, match="revoked"):
        judge_socket(refused(401))


def test_a_fault_of_this_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        judge_socket(ZeroDivisionError())


def test_a_stream_is_one_only_if_it_says_so() -> None:
    request = httpx.Request("GET", "http://api.test")
    kind = {"Content-Type": "text/event-stream; charset=utf-8"}
    assert judge_stream(httpx.Response(200, headers=kind, request=request)) is None
    assert isinstance(judge_stream(httpx.Response(200, text="<html>", request=request)), Barred)
    assert isinstance(judge_stream(httpx.Response(503, request=request)), Lost)
    with pytest.raises(NotFound):
        judge_stream(httpx.Response(404, request=request))
