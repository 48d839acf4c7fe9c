"""Methods that serve both clients: written once as the request they send, bound to either.

    class JobCalls:
        @call
        def get(self, job_id: str) -> Request[Job]: ...

On a `Blocking` resource `get(...)` returns a `Job`; on an `Awaiting` one, something to await.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from netra.client.request import Request
from netra.client.transport import AsyncTransport, Transport
from netra.schemas.page import Page

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """A resource whose calls return answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class Awaiting:
    """A resource whose calls return awaitables of answers."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


class call(Generic[P, T]):  # noqa: N801 - used as a decorator
    """Makes a method that builds a request send it."""

    def __init__(self, build: Callable[Concatenate[Any, P], Request[T]]) -> None:
        self._build = build

    @overload
    def __get__(self, resource: Blocking, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Awaiting, owner: Any = None
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Any, owner: Any = None) -> Any:
        @wraps(self._build)
        def send(*args: P.args, **kwargs: P.kwargs) -> Any:
            return resource._transport.send(self._build(resource, *args, **kwargs))

        return send


class paged(Generic[P, T]):  # noqa: N801 - used as a decorator
    """Makes a method that builds a list's request iterate over all its pages."""

    def __init__(self, build: Callable[Concatenate[Any, P], Request[Page[T]]]) -> None:
        self._build = build

    @overload
    def __get__(self, resource: Blocking, owner: Any = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, resource: Awaiting, owner: Any = None) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, resource: Any, owner: Any = None) -> Any:
        walk: Any = _pages if isinstance(resource, Blocking) else _pages_async

        @wraps(self._build)
        def iterate(*args: P.args, **kwargs: P.kwargs) -> Any:
            return walk(resource._transport, self._build(resource, *args, **kwargs))

        return iterate


def _pages(transport: Transport, request: Request[Page[T]]) -> Iterator[T]:
    while True:
        page = transport.send(request)
        yield from page.items
        if page.next is None:
            return
        request = request.with_params(cursor=page.next)


async def _pages_async(transport: AsyncTransport, request: Request[Page[T]]) -> AsyncIterator[T]:
    while True:
        page = await transport.send(request)
        for item in page.items:
            yield item
        if page.next is None:
            return
        request = request.with_params(cursor=page.next)


Script = Generator[Request[Any], Any, T]


class script(Generic[P, T]):  # noqa: N801 - used as a decorator
    """Makes a method that yields requests, and is sent their answers, run to its end."""

    def __init__(self, build: Callable[Concatenate[Any, P], Script[T]]) -> None:
        self._build = build

    @overload
    def __get__(self, resource: Blocking, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Awaiting, owner: Any = None
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Any, owner: Any = None) -> Any:
        play: Any = _play if isinstance(resource, Blocking) else _play_async

        @wraps(self._build)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return play(resource._transport, self._build(resource, *args, **kwargs))

        return run


def _play(transport: Transport, steps: Script[T]) -> T:
    answer: Any = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = transport.send(request)


async def _play_async(transport: AsyncTransport, steps: Script[T]) -> T:
    answer: Any = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = await transport.send(request)
