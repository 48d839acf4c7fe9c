"""Cursors: opaque to clients, a position in a list of things that are sorted by id."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from litestar.params import QueryParameter

from netra.errors import InvalidInput, NotFound, Problem
from netra.schemas.page import Page

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=500, description="Items at most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(name="cursor", description="`next` of the page before."),
]


def before(cursor: str | None) -> UUID | None:
    """The id that the page comes after.

    Raises:
        InvalidInput: the cursor is not one that a list gave.
    """
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as e:
        problem = Problem(where="cursor", problem="not a cursor of a list", got=cursor)
        raise InvalidInput("the cursor is not valid", [problem]) from e


def page(items: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """A page of at most `limit` items out of `limit + 1` that were asked for."""
    shown = tuple(items[:limit])
    if len(items) <= limit:
        return Page(items=shown)
    last = UUID(key(shown[-1])).bytes
    return Page(items=shown, next=base64.urlsafe_b64encode(last).decode().rstrip("="))


def uuid(text: str, noun: str) -> UUID:
    """The id in a path. What is no id names nothing.

    Raises:
        NotFound: it is not an id.
    """
    try:
        return UUID(text)
    except ValueError as e:
        raise NotFound(f"there is no {noun} {text}") from e
