"""The two drivers: they perform the steps that `retry` decides, by blocking or by awaiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from netra.client.request import Request, Upload, query
from netra.client.retry import Outcome, Pause, Retry, Send, exchange
from netra.errors import InvalidInput, Problem

T = TypeVar("T")

#: Bytes of an upload read at a time.
_CHUNK = 256 * 1024
_USER_AGENT = "netra-client"


def _timeout(request: Request[Any], usual_s: float) -> httpx.Timeout:
    # An upload is answered when all its events are in: that takes as long as it takes.
    return httpx.Timeout(usual_s, read=None) if request.upload else httpx.Timeout(usual_s)


def _address(url: str) -> str:
    """The URL that paths go after. Raises InvalidInput if it is none."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        problem = Problem(where="url", problem="not a URL", got=url, expected="http://host:port")
        raise InvalidInput("the API's address cannot be used", [problem])
    return url.rstrip("/")


def _headers(api_key: str) -> dict[str, str]:
    if not (api_key.isascii() and api_key.isprintable()):
        # The key itself is a secret, even if it is a wrong one.
        problem = Problem(where="api_key", problem="an API key has no such characters")
        raise InvalidInput("the API key cannot be used", [problem])
    return {"Authorization": f"Bearer {api_key}", "User-Agent": _USER_AGENT}


def _arguments(request: Request[Any], usual_s: float) -> dict[str, Any]:
    """What httpx needs to build the request, but for an upload's body."""
    arguments: dict[str, Any] = {
        "method": request.method,
        "url": request.path,
        "params": query(request.params),
        "headers": dict(request.headers),
        "timeout": _timeout(request, usual_s),
    }
    if request.json is not None:
        arguments["content"] = msgspec.json.encode(request.json)
        arguments["headers"]["Content-Type"] = "application/json"
    if request.upload is not None:
        arguments["headers"]["Content-Type"] = "application/octet-stream"
        arguments["headers"]["Content-Length"] = str(request.upload.size)
    return arguments


def _chunks(upload: Upload) -> Iterator[bytes]:
    """The file in pieces, its size as it was when the length was announced."""
    total = left = upload.size
    with upload.path.open("rb") as f:
        while left and (chunk := f.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
            if upload.progress:
                upload.progress(total - left, total)


async def _chunks_async(upload: Upload) -> AsyncIterator[bytes]:
    chunks = _chunks(upload)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk


class Transport:
    """Sends requests over httpx, and waits."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retry: Retry,
        timeout_s: float,
        over: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = _address(url)
        self.headers = _headers(api_key)
        self.retry = retry
        self.timeout_s = timeout_s
        self.sleep = sleep
        self.http = httpx.Client(base_url=self.url, headers=self.headers, transport=over)

    def send(self, request: Request[T], retry: Retry | None = None) -> T:
        """The answer to `request`, retried as `retry` (default: the client's) allows."""
        steps = exchange(request, retry or self.retry)
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = self.perform(step)

    def perform(self, step: Send | Pause) -> Outcome:
        if isinstance(step, Pause):
            self.sleep(step.seconds)
            return None
        arguments = _arguments(step.request, self.timeout_s)
        if step.request.upload:
            arguments["content"] = _chunks(step.request.upload)
        try:
            return self.http.request(**arguments)
        except httpx.TransportError as e:
            return e

    def close(self) -> None:
        self.http.close()


class AsyncTransport:
    """Sends requests over httpx, and awaits."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retry: Retry,
        timeout_s: float,
        over: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = _address(url)
        self.headers = _headers(api_key)
        self.retry = retry
        self.timeout_s = timeout_s
        self.http = httpx.AsyncClient(base_url=self.url, headers=self.headers, transport=over)

    async def send(self, request: Request[T], retry: Retry | None = None) -> T:
        """The answer to `request`, retried as `retry` (default: the client's) allows."""
        steps = exchange(request, retry or self.retry)
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = await self.perform(step)

    async def perform(self, step: Send | Pause) -> Outcome:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        arguments = _arguments(step.request, self.timeout_s)
        if step.request.upload:
            arguments["content"] = _chunks_async(step.request.upload)
        try:
            return await self.http.request(**arguments)
        except httpx.TransportError as e:
            return e

    async def close(self) -> None:
        await self.http.aclose()
