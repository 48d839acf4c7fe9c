"""Order, cycles, and the fewest edges."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.pipelines.dag import (
    ancestors,
    find_cycle,
    reduce_edges,
    topological_order,
    without,
)


def test_order_respects_edges_and_keeps_ties_as_given() -> None:
    after = {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}
    assert topological_order(after) == ["a", "c", "b", "d"]


def test_a_name_listed_twice_counts_once() -> None:
    assert topological_order({"a": [], "b": ["a", "a"]}) == ["a", "b"]


def test_cycle_is_named_in_running_order() -> None:
    after = {"start": [], "a": ["start", "c"], "b": ["a"], "c": ["b"], "end": ["c"]}
    cycle = find_cycle(after)
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"a", "b", "c"}
    assert all(earlier in after[later] for earlier, later in pairwise(cycle))


def test_no_cycle_is_empty() -> None:
    assert find_cycle({"a": [], "b": ["a"]}) == []


def test_a_chain_deeper_than_the_recursion_limit() -> None:
    after: dict[str, list[str]] = {"0": ["4999"]}
    after.update({str(i): [str(i - 1)] for i in range(1, 5000)})
    assert len(find_cycle(after)) == 5001


def test_reduction_drops_only_what_others_imply() -> None:
    after = {"a": [], "b": ["a"], "c": ["a"], "d": ["a", "b", "c"], "e": ["d", "a"]}
    assert reduce_edges(after) == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("d",)}


def test_reduction_refuses_a_cycle_naming_it() -> None:
    with pytest.raises(ValueError, match=r"^cycle: (a → b → a|b → a → b)$"):
        reduce_edges({"a": ["b"], "b": ["a"]})


@given(st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=12))
def test_reduction_keeps_every_ancestor(rows: list[set[int]]) -> None:
    after = {str(i): [str(j) for j in sorted(row) if j < i] for i, row in enumerate(rows)}
    reduced = reduce_edges(after)
    assert ancestors(reduced) == ancestors(after)
    assert sum(map(len, reduced.values())) <= sum(map(len, after.values()))


class TestWithout:
    AFTER: ClassVar = {"d": ("b", "c"), "a": (), "b": ("a",), "c": ("b",)}

    def test_what_waited_for_it_waits_for_what_it_waited_for(self) -> None:
        assert without(self.AFTER, {"b"}) == {"d": ("a", "c"), "a": (), "c": ("a",)}

    def test_several_in_a_row(self) -> None:
        assert without(self.AFTER, {"b", "c"}) == {"d": ("a",), "a": ()}
        assert without(self.AFTER, {"a", "b"}) == {"d": ("c",), "c": ()}

    def test_nothing_dropped_nothing_changed(self) -> None:
        assert without(self.AFTER, set()) == self.AFTER
