"""When a call is sent again, as a generator that decides and leaves sending to its driver.

One implementation serves both clients: the driver performs each step, waiting or awaiting, and
sends back what came of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from netra.client.problems import Unreachable, error_of
from netra.client.request import Request

T = TypeVar("T")

#: Answers that say "not now": the request was not carried out.
_NOT_NOW = (429, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How patient a client is."""

    #: The first pause, seconds; each later one doubles, up to `longest_s`, with jitter.
    first_s: float = 0.1
    longest_s: float = 2.0
    #: No attempt begins later than this after the first one, seconds; 0 tries once.
    patience_s: float = 20.0
    #: Told before each pause what went wrong, and None whenever there is an answer.
    told: Callable[[str | None], None] | None = None

    def tell(self, problem: str | None) -> None:
        if self.told is not None:
            self.told(problem)

    def pauses(self) -> Iterator[float]:
        """Endless pauses, seconds: a random half is taken off so that clients do not march."""
        pause = self.first_s
        while True:
            yield pause * random.uniform(0.5, 1.0)
            pause = min(pause * 2, self.longest_s)


@dataclass(frozen=True)
class Send:
    """Step: send this; answer with the response, or with the transport's error."""

    request: Request[Any]


@dataclass(frozen=True)
class Pause:
    """Step: wait."""

    seconds: float


Outcome = httpx.Response | httpx.TransportError | None


def exchange(
    request: Request[T], retry: Retry, now: Callable[[], float] = time.monotonic
) -> Generator[Send | Pause, Outcome, T]:
    """Sends `request` until it is answered, or patience ends.

    A request that never reached the server is always sent again; one whose fate is unknown, or
    that met a 503, only if it is repeatable.

    Raises:
        Unreachable: nobody answered.
        NetraError: the answer was a problem.
    """
    end = now() + retry.patience_s
    for pause in retry.pauses():
        outcome = yield Send(request)
        asked = 0.0
        if isinstance(outcome, httpx.Response):
            if outcome.is_success or outcome.status_code in request.accept:
                retry.tell(None)
                return request.read(outcome)
            again = outcome.status_code in _NOT_NOW and request.repeatable
            failure: Exception = error_of(outcome)
            asked = _retry_after(outcome)
        else:
            assert outcome is not None
            again = request.repeatable or isinstance(outcome, httpx.ConnectError)
            failure = Unreachable(_words(outcome))
        wait = max(pause, asked)
        if not again or now() + wait > end:
            raise failure
        retry.tell(str(failure))
        yield Pause(wait)
    raise AssertionError("pauses are endless")


def _words(error: httpx.TransportError) -> str:
    try:
        url = error.request.url
        where = f"{url.scheme}://{url.netloc.decode()}"
    except RuntimeError:
        where = "the API"
    what = str(error) or type(error).__name__
    return f"{where} does not answer: {what}"


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait; dates are not understood, and count as none."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0
