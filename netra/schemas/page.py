"""Lists: a page of items, and the cursor of the next page."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Newest first unless the route says otherwise."""

    items: tuple[T, ...]
    #: Give it back as `?cursor=` to get the next page; None: this is the last one.
    next: str | None = None
