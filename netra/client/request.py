"""A call of the API as plain values: what to send, and how to read the answer. Sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx
import msgspec

from netra.errors import NetraError

T = TypeVar("T")

#: Where the routes of version 1 lie below the API's URL.
PREFIX = "/api/v1"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A body that is read as it is sent, and never held in memory."""

    path: Path
    #: Told how many bytes have been sent so far, and of how many.
    progress: Callable[[int, int], None] | None = None

    @property
    def size(self) -> int:
        return self.path.stat().st_size


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """One HTTP call; `read` turns its successful answer into a `T`."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    #: None values are left out.
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Whether sending it twice does what sending it once does; then it is sent again if unsure.
    repeatable: bool = False
    #: Statuses beside 2xx whose answers are read, not raised.
    accept: tuple[int, ...] = ()

    def with_params(self, **params: Any) -> Request[T]:
        return replace(self, params={**self.params, **params})


def as_json(kind: type[T]) -> Callable[[httpx.Response], T]:
    """Reads the body as a `kind`; fields that this client does not know are passed over."""
    decode = msgspec.json.Decoder(kind).decode

    def read(response: httpx.Response) -> T:
        try:
            return decode(response.content)
        except msgspec.DecodeError as e:
            raise NetraError(
                f"{response.url} answered with something this client cannot read: {e}; "
                "are the client's and the server's versions the same?"
            ) from e

    return read


def as_text(response: httpx.Response) -> str:
    """Reads the body as text."""
    return response.text


def nothing(response: httpx.Response) -> None:
    """For calls whose success says it all."""


def get(path: str, read: Callable[[httpx.Response], T], **params: Any) -> Request[T]:
    """A request that changes nothing, and so may always be repeated."""
    return Request(method="GET", path=PREFIX + path, read=read, params=params, repeatable=True)


def query(params: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Query parameters as text: None left out, a tuple's or list's values one by one."""
    return {
        name: [_text(one) for one in value] if isinstance(value, tuple | list) else _text(value)
        for name, value in params.items()
        if value is not None
    }


def _text(value: Any) -> str:
    """As JSON writes it, if it is a boolean."""
    return str(value).lower() if isinstance(value, bool) else str(value)
