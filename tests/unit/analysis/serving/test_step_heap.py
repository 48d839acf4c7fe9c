"""The heap in a row of an array against a sorted list."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.analysis.serving.step_heap import entry, pop, push, remove, request_of, step_of


def test_an_entry_holds_both_its_parts() -> None:
    value = entry(123_456, 2**31 + 5)
    assert (step_of(value), request_of(value)) == (123_456, 2**31 + 5)
    assert entry(1, 2**31) < entry(2, 0)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["push", "pop", "remove"]), st.integers(0, 1000)), max_size=60
    )
)
def test_the_least_is_always_on_top(operations: list[tuple[str, int]]) -> None:
    heap = np.full((2, 64), -1, np.int64)
    kept: list[int] = []
    for kind, number in operations:
        if kind == "push":
            push(heap, 1, len(kept), number)
            kept.append(number)
        elif kept and kind == "pop":
            pop(heap, 1, len(kept))
            kept.remove(min(kept))
        elif kept:
            chosen = kept[number % len(kept)]
            remove(heap, 1, len(kept), chosen)
            kept.remove(chosen)
        assert sorted(heap[1, : len(kept)].tolist()) == sorted(kept)
        assert not kept or heap[1, 0] == min(kept)
    # The other row is another rank's.
    assert set(heap[0].tolist()) == {-1}
