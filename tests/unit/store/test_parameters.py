"""Parameters of the queue's functions, as PostgreSQL reads them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from netra.store.functions import parameter

ID = UUID(int=7)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("ü", "ü".encode()),
        (Jsonb({"a": [None, "ü\0"]}), b'{"a":[null,"\xc3\xbc\\u0000"]}'),
        (True, b"t"),
        (False, b"f"),
        (3, b"3"),
        (0.1, b"0.1"),
        (ID, b"00000000-0000-0000-0000-000000000007"),
        ([], b"{}"),
        ([1, 2], b"{1,2}"),
        ([ID], b"{00000000-0000-0000-0000-000000000007}"),
    ],
)
def test_each_kind_has_its_text(value: Any, text: bytes | None) -> None:
    assert parameter(value) == text


def test_what_has_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="no parameter: dict"):
        parameter({})
    with pytest.raises(psycopg.DataError, match="NUL"):
        parameter("a\0b")
