"""A name of a tenant or key is one that can be seen and typed."""

from __future__ import annotations

import pytest

from netra.errors import InvalidInput
from netra.store.naming import check_name


@pytest.mark.parametrize("name", ["", " ", " a", "a\n", "a\tb", "a\0", "x" * 101, "\u200b"])
def test_what_cannot_be_seen_is_no_name(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_name(name, "tenant")
    (problem,) = refused.value.errors
    assert (problem.where, problem.got) == ("tenant", name)


@pytest.mark.parametrize("name", ["default", "a b", "team/one", "B\u00fcro 5", "x" * 100])
def test_what_can_be_seen_is_a_name(name: str) -> None:
    check_name(name, "tenant")
