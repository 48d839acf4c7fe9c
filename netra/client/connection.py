"""What is common to the blocking and the awaiting connections that facts and ticks come over."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from netra.client.follow import Barred, Lost, Open, Position
from netra.client.problems import error_of
from netra.client.request import PREFIX
from netra.schemas.socket import Ping, Subscribe

#: Seconds without a byte after which a stream counts as dead; servers send comments more often.
STREAM_SILENCE_S = 45.0
CONNECT_S = 10.0
#: Facts are small, but a batch's backlog may come as one message.
MAX_MESSAGE_BYTES = 16 * 2**20

_SERVER_IS_AWAY = (429, 500, 502, 503, 504)


def socket_url(url: str) -> str:
    """`ws://host/ws` for the API at `http://host`."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path}/ws", "", ""))


def socket_options(headers: dict[str, str]) -> dict[str, Any]:
    return {
        "additional_headers": headers,
        "open_timeout": CONNECT_S,
        "close_timeout": 1.0,
        "max_size": MAX_MESSAGE_BYTES,
        # Facts are a few hundred bytes: deflate would cost the server more than it saves.
        "compression": None,
    }


def subscription(step: Open) -> str:
    """The message that asks for a job's facts after a position."""
    message = Subscribe(
        job_id=step.job_id, epoch=step.position.epoch or None, after_seq=step.position.seq
    )
    return msgspec.json.encode(message).decode()


def ping() -> str:
    """The message whose answer says that the subscription before it was taken in."""
    return msgspec.json.encode(Ping()).decode()


def stream_path(step: Open) -> str:
    return f"{PREFIX}/jobs/{step.job_id}/events"


def stream_headers(position: Position) -> dict[str, str]:
    headers = {"Accept": "text/event-stream"}
    if position > Position():
        headers["Last-Event-ID"] = f"{position.epoch}-{position.seq}"
    return headers


def stream_timeout() -> httpx.Timeout:
    return httpx.Timeout(CONNECT_S, read=STREAM_SILENCE_S)


def judge_socket(error: Exception) -> Lost | Barred:
    """Whether a socket that failed is worth another try.

    Raises:
        NetraError: the server refuses this caller, however it is asked.
    """
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in (401, 403):
            raise error_of(
                httpx.Response(
                    status,
                    content=bytes(error.response.body or b""),
                    request=httpx.Request("GET", "/ws"),
                )
            )
        return Lost(str(error)) if status in _SERVER_IS_AWAY else Barred(str(error))
    if isinstance(error, InvalidHandshake | TimeoutError):
        return Barred(str(error) or "the socket's handshake was not answered")
    if isinstance(error, WebSocketException | OSError | EOFError):
        return Lost(str(error) or type(error).__name__)
    raise error


def judge_stream(response: httpx.Response) -> Lost | Barred | None:
    """None for an answer that is an event stream. Its body must have been read if it is not.

    Raises:
        NetraError: the server refuses this caller, however it is asked.
    """
    if response.is_success:
        kind = response.headers.get("Content-Type", "")
        return None if kind.startswith("text/event-stream") else Barred(f"not a stream: {kind}")
    if response.status_code in _SERVER_IS_AWAY:
        return Lost(str(error_of(response)))
    raise error_of(response)
