"""Cursors lead from page to page, and are refused when they are made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.api import paging
from netra.errors import InvalidInput, NotFound
from netra.ids import new_id


@given(n=st.integers(0, 20), limit=st.integers(1, 7))
def test_pages_cover_a_list_once_and_in_order(n: int, limit: int) -> None:
    ids = sorted((str(new_id()) for _ in range(n)), reverse=True)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        before = paging.before(cursor)
        rest = [i for i in ids if before is None or i < str(before)]
        page = paging.page(rest[: limit + 1], limit, lambda i: i)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
        assert len(page.items) == limit
    assert seen == ids


@pytest.mark.parametrize("cursor", ["", "x", "!!!!", "AAAA", "a" * 100, "é"])
def test_a_cursor_that_no_list_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        paging.before(cursor)
    assert refused.value.errors[0].where == "cursor"


def test_what_is_no_id_names_nothing() -> None:
    with pytest.raises(NotFound):
        paging.uuid("nope", "job")
